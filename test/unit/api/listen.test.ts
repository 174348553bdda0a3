import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from '../../../sidecar/api/listen.ts';
import { call } from '../../support/http.ts';
import { freePort } from '../../support/processes.ts';

test('the address is taken at once, and what comes before there is somebody to serve is answered then', async () => {
  const { host, port } = { host: '127.0.0.1', port: await freePort() };
  const server = await listen({ host, port });
  const early = call({ port, method: 'GET', path: '/early' });
  await expect(listen({ host, port })).rejects.toThrow('another process listens there');
  server.serve((request, response) => void response.end(request.url));
  expect(await early).toMatchObject({ status: 200, body: '/early' });
  expect(await call({ port, method: 'GET', path: '/late' })).toMatchObject({ body: '/late' });
  await server.close();
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
