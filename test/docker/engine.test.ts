import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Engine } from '../../sidecar/runtime/docker/engine.ts';
import { engineMissing, SOCKET } from '../support/docker.ts';
import { temporaryFolder } from '../support/processes.ts';

describe('the way to an engine', () => {
  let folder: string;
  let server: Server | null;
  const open: Socket[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    server = null;
  });

  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    server?.close();
    await rm(folder, { recursive: true });
  });

  /** An engine that answers so to whatever is asked. */
  async function answering(answer: (socket: Socket) => void): Promise<Engine> {
    const socket = join(folder, 'docker.sock');
    server = createServer((client) => {
      open.push(client);
      client.on('error', () => {});
      client.once('data', () => answer(client));
    });
    await new Promise<void>((resolve) => server!.listen(socket, resolve));
    return new Engine({ socket, host: null, tls: null }, 300);
  }

  test.each([
    ['does not answer', () => {}],
    [
      'breaks off in the middle of an answer',
      (client: Socket) => {
        client.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half":');
      },
    ],
  ])('an engine that %s is given up on', async (_, answer) => {
    const engine = await answering(answer);
    const begin = performance.now();
    await expect(engine.ask('It cannot be asked', (docker) => docker.version())).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: `It cannot be asked: the Docker engine at unix://${folder}/docker.sock has not answered for 0.3 s`,
      hint: expect.stringContaining('hangs'),
    });
    expect(performance.now() - begin).toBeLessThan(1000);
  });

  test("what an engine refuses is said in the engine's own words, without what dockerode puts around them", async () => {
    const body = JSON.stringify({ message: 'the moon is - in the wrong phase' });
    const engine = await answering((client) => {
      client.end(`HTTP/1.1 500 No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    await expect(engine.ask('It cannot be asked', (docker) => docker.version())).rejects.toThrow(
      /^It cannot be asked: the moon is - in the wrong phase$/,
    );
  });

  test.skipIf(engineMissing())('over TLS both sides show who they are', async () => {
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    run('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'cert.pem', '-days', '2', ...subject);
    const { readFileSync } = await import('node:fs');
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(folder, name)));
    await writeFile(join(folder, 'ca.pem'), cert!);
    const secure = createTlsServer(
      { key: key!, cert: cert!, ca: cert!, requestCert: true, rejectUnauthorized: true },
      (client) => {
        const engine = connect(SOCKET);
        open.push(engine);
        client.on('error', () => engine.destroy()).pipe(engine);
        engine.on('error', () => client.destroy()).pipe(client);
      },
    );
    server = secure;
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const host = { host: '127.0.0.1', port: (secure.address() as AddressInfo).port };
    const engine = new Engine({ socket: SOCKET, host, tls: folder }, 5000);
    expect(await engine.ask('It cannot be asked', (docker) => docker.version())).toMatchObject({ Os: 'linux' });
    engine.close();
    const plain = new Engine({ socket: SOCKET, host, tls: null }, 5000);
    await expect(plain.ask('It cannot be asked', (docker) => docker.version())).rejects.toMatchObject({
      message: expect.stringContaining(`tcp://127.0.0.1:${host.port} cannot be reached`),
      hint: expect.stringContaining('`docker.tls`'),
    });
  });
});
