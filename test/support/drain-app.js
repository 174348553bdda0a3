// A replica that says when it gets SIGTERM, and how many requests it was answering then.
import { createServer } from 'node:http';

let inFlight = 0;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname === '/health') return response.end('{}');
  inFlight++;
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
  console.log(JSON.stringify({ event: 'SIGTERM', release: process.env.TURNOUT_RELEASE, at: Date.now(), inFlight }));
  process.exit(0);
});
