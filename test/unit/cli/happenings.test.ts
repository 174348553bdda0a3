import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ApiClient } from '../../../sidecar/cli/api-client.ts';
import { Happenings } from '../../../sidecar/cli/happenings.ts';
import { eventually } from '../../support/processes.ts';

let server: Server;
let streams: ServerResponse[];
let asked: (string | undefined)[];
let happenings: Happenings;
const never = new AbortController().signal;

beforeEach(async () => {
  streams = [];
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.headers['last-event-id'] as string | undefined);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 1000\n\n');
    streams.push(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  happenings = new Happenings(new ApiClient({ host: '127.0.0.1', port }, 'token'), 'deployment=d1');
  await eventually('the stream is open', () => streams.length === 1);
});
afterEach(() => {
  happenings.end();
  server.closeAllConnections();
  server.close();
});

function tell(id: number): void {
  streams.at(-1)?.write(`id: ${id}\nevent: phase\ndata: {"kind":"phase","message":"größer"}\n\n`);
}

/** Milliseconds that a wait of a minute took. */
async function waited(): Promise<number> {
  const begun = performance.now();
  await happenings.wait(60_000, never);
  return performance.now() - begun;
}

test('whoever waits is woken by an event, at once', async () => {
  const waiting = waited();
  tell(1);
  expect(await waiting).toBeLessThan(1000);
});

test('what has happened since the last wait ends the next one before it begins', async () => {
  tell(1);
  await eventually('it has arrived', async () => (await waited()) < 1000);
});

test('a stream that breaks is opened again behind the last event', async () => {
  const waiting = waited();
  tell(7);
  await waiting;
  streams.at(-1)?.destroy();
  await eventually('it is open again', () => streams.length === 2);
  expect(asked).toEqual([undefined, '7']);
  const again = waited();
  tell(8);
  expect(await again).toBeLessThan(1000);
});

test('without an event the wait lasts its time, and an aborted one does not begin', async () => {
  const begun = performance.now();
  await happenings.wait(100, never);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(95);
  await happenings.wait(60_000, AbortSignal.abort());
});
