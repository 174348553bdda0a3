import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../sidecar/clock.ts';
import { knock } from '../../../sidecar/gateway/knock.ts';
import { FakeClock } from '../../support/clock.ts';
import { folderWith } from '../config/temp.ts';

let path: string;
let server: Server | undefined;
beforeEach(async () => {
  path = join(await folderWith({}), 'control.sock');
});
afterEach(() => {
  server?.close();
});

/** A gateway that answers every connection with these bytes, and then hangs. */
function answering(bytes: string): Promise<void> {
  server = createServer((socket) => {
    socket.unref().on('error', () => {});
    socket.once('data', () => socket.write(bytes));
  });
  return new Promise((resolve) => server!.listen(path, resolve));
}

test.each([200, 404, 500])('a gateway that says %i answers', async (status) => {
  await answering(`HTTP/1.1 ${status} Fine\r\nContent-Length: 2\r\n\r\n{}`);
  expect((await knock(path, systemClock)).answer).toBe('answered');
});

test('a gateway that accepts and says nothing in time is silent', async () => {
  await answering('');
  expect((await knock(path, new FakeClock())).answer).toBe('silent');
});

test('a gateway that stops in the middle of its answer is silent', async () => {
  await answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{');
  expect((await knock(path, new FakeClock())).answer).toBe('silent');
});

test('silence means nothing when our own timer was late', async () => {
  await answering('');
  const clock = new FakeClock();
  const answer = knock(path, clock);
  clock.advance(1001);
  expect((await answer).answer).toBe('unknown');
});

test('a timer that was a little late still counts', async () => {
  await answering('');
  const clock = new FakeClock();
  const answer = knock(path, clock);
  clock.advance(1000);
  expect((await answer).answer).toBe('silent');
});

test('where nobody listens, the master watcher will see it', async () => {
  expect((await knock(path, systemClock)).answer).toBe('unknown');
});

test('tells which configuration the answering worker runs with, if it says so', async () => {
  const body = JSON.stringify({ configuration: 'conf-0123' });
  await answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  expect(await knock(path, systemClock)).toEqual({ answer: 'answered', configuration: 'conf-0123' });
});
