import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { DockerConfig } from '../../sidecar/config/config.ts';
import { contained, DockerBench, engineMissing, SOCKET, TestNetwork } from '../support/docker.ts';
import { eventually, temporaryFolder } from '../support/processes.ts';

const run = promisify(execFile);
/** The first byte of whoever speaks TLS, and what the engine says to others. */
const HANDSHAKE = 0x16;
const NO_TLS = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';
const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

describe.skipIf(engineMissing())('an engine on TCP', () => {
  let folder: string;
  let ours: Authority;
  let network: TestNetwork;
  let bench: DockerBench;
  const servers: Server[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    ours = await Authority.make(join(folder, 'ours'));
    network = await TestNetwork.make();
  });

  beforeEach(async () => {
    bench = await DockerBench.make(network);
  });

  afterEach(async () => {
    await bench.close();
    for (const server of servers.splice(0)) server.close();
  });

  afterAll(async () => {
    await network?.remove();
    await rm(folder, { recursive: true });
  });

  async function listening(server: Server): Promise<{ host: string; port: number }> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }

  /** As `dockerd --tlsverify` listens: whoever has no certificate of the same authority is turned away. */
  async function verifying(): Promise<{ host: string; port: number }> {
    const options = { ...(await ours.issue('server')), requestCert: true, rejectUnauthorized: true };
    const secure = createTlsServer(options, forward);
    const entrance = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (begin) => {
        if (begin[0] !== HANDSHAKE) return void socket.end(NO_TLS);
        socket.pause();
        socket.unshift(begin);
        secure.emit('connection', socket);
      });
    });
    return listening(entrance);
  }

  async function expectAllOfIt(over: Partial<DockerConfig>): Promise<void> {
    const runtime = bench.newRuntime(over);
    const ended: string[] = [];
    runtime.onExit(({ id }) => ended.push(id));
    const replica = await runtime.start(await bench.spec({ command: contained.serves }));
    await eventually('its output is read', async () => (await runtime.tail(replica, 5)).includes('ready'));
    const matches = runtime.matchOutput(replica, /hello/);
    await eventually('its output is followed', async () => {
      await bench.speak(replica, ['hello']);
      return matches.count > 0;
    });
    expect((await runtime.resources(replica))?.memory).toBeGreaterThan(0);
    await runtime.keep(replica);
    await runtime.stop(replica, SOFTLY);
    await eventually('its end is told', () => ended.includes(replica.id));
    expect(await runtime.list()).toEqual([]);
  }

  test('everything works over plain TCP', async () => {
    await expectAllOfIt({ host: await listening(createServer(forward)) });
  });

  test('everything works over TLS with ca.pem, cert.pem and key.pem of `docker.tls`', async () => {
    const tls = await ours.clientFolder(join(folder, 'client'));
    await expectAllOfIt({ host: await verifying(), tls });
  });

  test.each([
    ['without TLS, where the engine wants it', async () => null],
    ['with a certificate of another authority', async (to: string) => (await Authority.make(`${to}-ca`)).clientFolder(to, ours)],
    [
      'where the engine is not who `ca.pem` vouches for',
      async (to: string) => ours.clientFolder(to, await Authority.make(`${to}-ca`)),
    ],
    ['with a certificate that has run out', async (to: string) => ours.clientFolder(to, ours, -1)],
  ])('says which engine refuses and what to check: %s', async (title, make) => {
    const host = await verifying();
    const tls = await make(join(folder, title.replaceAll(/\W+/g, '-')));
    const begin = performance.now();
    await expect(bench.newRuntime({ host, tls }).list()).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: expect.stringMatching(new RegExp(`^The containers cannot be listed: .*tcp://127.0.0.1:${host.port}.*`)),
      hint: expect.stringContaining('`docker.tls`'),
    });
    expect(performance.now() - begin).toBeLessThan(3000);
  });

  test('says so where the engine speaks no TLS', async () => {
    const host = await listening(createServer(forward));
    const tls = await ours.clientFolder(join(folder, 'too-much'));
    await expect(bench.newRuntime({ host, tls }).list()).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: expect.stringContaining(`tcp://127.0.0.1:${host.port} cannot be reached`),
      hint: expect.stringContaining('`docker.tls`'),
    });
  });

  test('a file of `docker.tls` that is missing or is no certificate is named', async () => {
    const host = await verifying();
    const tls = await ours.clientFolder(join(folder, 'broken'));
    await writeFile(join(tls, 'cert.pem'), 'nonsense');
    await expect((async () => bench.newRuntime({ host, tls }).list())()).rejects.toMatchObject({ code: 'runtime-unusable' });
    await rm(join(tls, 'cert.pem'));
    expect(() => bench.newRuntime({ host, tls })).toThrow(`${join(tls, 'cert.pem')}, which \`docker.tls\` asks for`);
  });
});

function forward(client: Socket): void {
  const engine = dial(SOCKET);
  for (const [one, other] of [
    [client, engine],
    [engine, client],
  ] as const) {
    one.on('error', () => {});
    one.on('close', () => other.destroy());
    one.pipe(other);
  }
}

interface Pair {
  ca: Buffer | string;
  cert: string;
  key: string;
}

/** Makes certificates with openssl. */
class Authority {
  private constructor(
    readonly folder: string,
    readonly pem: string,
  ) {}

  static async make(folder: string): Promise<Authority> {
    await mkdir(folder, { recursive: true });
    const files = ['-keyout', join(folder, 'ca-key.pem'), '-out', join(folder, 'ca.pem')];
    await run('openssl', ['req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${folder.split('/').at(-1)}`, ...files]);
    return new Authority(folder, await read(join(folder, 'ca.pem')));
  }

  /** `days`: how long it is good for; below 0 it has run out. */
  async issue(name: string, days = 2): Promise<Pair> {
    const [key, request, cert] = ['key', 'csr', 'cert'].map((one) => join(this.folder, `${name}-${one}.pem`)) as [
      string,
      string,
      string,
    ];
    const extensions = join(this.folder, 'extensions');
    await writeFile(extensions, 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
    await run('openssl', ['req', '-new', ...KEY, '-subj', `/CN=${name}`, '-keyout', key, '-out', request]);
    const by = ['-CA', join(this.folder, 'ca.pem'), '-CAkey', join(this.folder, 'ca-key.pem'), '-CAcreateserial'];
    await run('openssl', ['x509', '-req', '-in', request, ...by, '-days', String(days), '-extfile', extensions, '-out', cert]);
    return { ca: this.pem, cert: await read(cert), key: await read(key) };
  }

  /** What `docker.tls` asks for, with a certificate of this authority; `trusted` vouches for the engine. */
  async clientFolder(folder: string, trusted: Authority = this, days = 2): Promise<string> {
    await mkdir(folder, { recursive: true });
    const { cert, key } = await this.issue('client', days);
    await writeFile(join(folder, 'ca.pem'), trusted.pem);
    await writeFile(join(folder, 'cert.pem'), cert);
    await writeFile(join(folder, 'key.pem'), key, { mode: 0o600 });
    return folder;
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
