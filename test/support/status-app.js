// Answers `/?status=503&ms=20` with that status after that time, and says which color it is.
import { createServer } from 'node:http';

const headers = { 'x-color': process.env.TURNOUT_COLOR ?? '' };

const server = createServer((request, response) => {
  const query = new URLSearchParams(request.url.slice(request.url.indexOf('?') + 1));
  const answer = () => response.writeHead(Number(query.get('status') ?? 200), headers).end();
  const ms = Number(query.get('ms') ?? 0);
  if (ms > 0) setTimeout(answer, ms);
  else answer();
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
