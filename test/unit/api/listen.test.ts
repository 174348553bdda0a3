import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from '../../../sidecar/api/listen.ts';
import { call } from '../../support/http.ts';
import { freePort } from '../../support/processes.ts';

test('the address is taken at once', async () => {
  const address = { host: '127.0.0.1', port: await freePort() };
  const server = await listen(address);
  server.on('request', (_, response) => void response.writeHead(204).end());
  expect((await call({ port: address.port, method: 'GET', path: '/' })).status).toBe(204);
  server.close();
});

test('an address that another process has is refused with its name and a hint', async () => {
  const port = await freePort();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  await expect(listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'runtime-unusable',
    message: `api.listen is 127.0.0.1:${port}, but another process listens there`,
    hint: expect.stringContaining('another address'),
  });
  other.close();
});
