// A replica that says when it gets SIGTERM, how many requests it was answering then, and which slots of its color the route
// still named. Its folder is that of turnout.yaml.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

let inFlight = 0;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname === '/health') return response.end('{}');
  inFlight++;
  response.setHeader('x-color', process.env.TURNOUT_COLOR);
  setTimeout(
    () => {
      inFlight--;
      response.end(`${process.env.TURNOUT_RELEASE}\n`);
    },
    Number(searchParams.get('ms') ?? 0),
  );
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => {
  const { TURNOUT_RELEASE: release, TURNOUT_COLOR: color } = process.env;
  const { slots } = JSON.parse(readFileSync('.turnout/gateway/routes/backend.json', 'utf8')).colors[color];
  console.log(JSON.stringify({ event: 'SIGTERM', release, at: Date.now(), inFlight, slots }));
  process.exit(0);
});
