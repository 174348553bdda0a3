import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';

import { sendByUndici } from '../../../sidecar/hooks/send.ts';

const LISTENS = `
  const server = require('net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A port at which connections are neither taken nor refused: its process is stopped and its queue full. */
async function silentPort(): Promise<number> {
  const holder = spawn(process.execPath, ['-e', LISTENS], { stdio: ['ignore', 'pipe', 'inherit'] });
  closing.push(() => holder.kill('SIGKILL'));
  const [text] = await once(holder.stdout, 'data');
  const port = Number(String(text));
  holder.kill('SIGSTOP');
  const sockets: Socket[] = [];
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let open = true; open; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    const full = AbortSignal.timeout(300);
    open = await once(socket, 'connect', { signal: full }).then(
      () => sockets.length < 100,
      () => false,
    );
  }
  return port;
}

test('an abort ends a connect that hangs', async () => {
  const url = `http://127.0.0.1:${await silentPort()}/`;
  const abort = new AbortController();
  const sending = sendByUndici(url, { headers: {}, body: '', signal: abort.signal });
  setImmediate(() => abort.abort());
  const begin = performance.now();
  await expect(sending).rejects.toMatchObject({ name: 'AbortError' });
  expect(performance.now() - begin).toBeLessThan(2000);
});
