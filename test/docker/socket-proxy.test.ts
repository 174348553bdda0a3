import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { DockerGatewayContainer } from '../../sidecar/runtime/docker/index.ts';
import { DockerBench, engineMissing, SOCKET, TestNetwork } from '../support/docker.ts';
import { call } from '../support/http.ts';
import { eventually, temporaryFolder } from '../support/processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const NGINX = JSON.parse(process.env.TURNOUT_NGINX_COMMAND ?? '["nginx"]') as string[];
const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

describe.skipIf(engineMissing())('examples/compose/socket-proxy.conf', () => {
  let folder: string;
  let proxy: ChildProcess;
  let said = '';
  let network: TestNetwork;
  let bench: DockerBench;

  const socket = () => join(folder, 'docker.sock');

  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(join(folder, 'nginx.conf'), await configuration());
    const [program, ...args] = [...NGINX, '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'];
    proxy = spawn(program as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    proxy.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    await eventually('nginx listens', () => {
      if (proxy.exitCode !== null) throw new Error(said);
      return existsSync(socket());
    });
    network = await TestNetwork.make();
    bench = await DockerBench.make(network, { socket: socket() });
  });

  afterAll(async () => {
    await bench?.close();
    await network?.remove();
    if (proxy.exitCode === null && proxy.kill('SIGTERM')) await once(proxy, 'exit');
    await rm(folder, { recursive: true });
  });

  /** With paths of the test's own, and a log. */
  async function configuration(): Promise<string> {
    const text = await readFile(join(ROOT, 'examples/compose/socket-proxy.conf'), 'utf8');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((one) => `${one}_temp_path ${folder}/${one};`);
    const log = `log_format calls "$request_method $request_uri $status"; access_log ${folder}/calls.log calls;`;
    return text
      .replace('access_log off;', [log, ...temporary].join(' '))
      .replaceAll('/run/turnout/docker.sock', socket())
      .replace('/tmp/socket-proxy.pid', join(folder, 'pid'))
      .replaceAll('unix:/var/run/docker.sock', `unix:${SOCKET}`);
  }

  /** What went through so far, as `GET /path`, and how it was answered. */
  async function calls(): Promise<{ request: string; status: number }[]> {
    const lines = (await readFile(join(folder, 'calls.log'), 'utf8')).split('\n').filter(Boolean);
    return lines.map((line) => {
      const [method, path, status] = line.split(' ') as [string, string, string];
      return { request: `${method} ${path.replace(/\?.*/, '')}`, status: Number(status) };
    });
  }

  test('everything that the runtime does goes through it, and is in the table of docs/docker.md', async () => {
    const { runtime } = bench;
    const secret = join(folder, 'secret');
    await writeFile(secret, 'hunter2');
    const spec = await bench.spec({}, { secrets: { key: secret } });
    const image = { reference: spec.container!.image, pinned: null, pull: 'missing' } as const;
    expect(await runtime.prepare(image, () => {}, new AbortController().signal)).toMatch(/^sha256:/);

    const ended: string[] = [];
    runtime.onExit(({ id }) => ended.push(id));
    const replica = await runtime.start(spec);
    await bench.says(replica, 'ready');
    expect(await runtime.list()).toEqual([replica]);
    await runtime.keep(replica);
    expect((await runtime.list())[0]).toMatchObject({ id: replica.id, kept: true });
    expect((await runtime.resources(replica))?.memory).toBeGreaterThan(0);
    // What is told and written arrives while it happens, not when a buffer is full.
    const matches = runtime.matchOutput(replica, /hello/);
    await bench.speak(replica, ['hello']);
    await eventually('the output arrives', () => matches.count > 0);

    const gateway = new DockerGatewayContainer(network.config({ socket: socket() }));
    const container = replica.id.slice(0, 12);
    const words = [process.execPath, '-e', 'console.log("inside"); process.exitCode = 3'];
    expect(await gateway.exec(container, words)).toEqual({ code: 3, output: 'inside\n' });
    expect((await gateway.titles(container)).join()).toContain(process.execPath);
    await gateway.close();

    await runtime.stop(replica, SOFTLY);
    await eventually('its end is told', () => ended.includes(replica.id));
    const impatient = await runtime.start(await bench.spec({ slot: 2 }));
    await runtime.stop(impatient, { signal: 'SIGTERM', timeout: 0 });
    expect(await network.containers()).toEqual([]);

    const elsewhere = { reference: '127.0.0.1:1/team/backend:v1', pinned: null, pull: 'always' } as const;
    const pulled = runtime.prepare(elsewhere, () => {}, new AbortController().signal);
    await expect(pulled).rejects.toMatchObject({ code: 'image-unavailable' });
    expect(await runtime.identify(elsewhere)).toBeNull();
    expect(await runtime.prune(['team/backend:v1'])).toEqual(['team/backend:v1']);
    expect(await runtime.sweep()).toEqual([]);

    const seen = await calls();
    expect(seen.filter(({ status }) => status === 403)).toEqual([]);
    const rows = await table();
    expect(seen.filter(({ request }) => !rows.some(({ pattern }) => pattern.test(request)))).toEqual([]);
    // The exec and the signals of a gateway among them.
    expect(seen.length).toBeGreaterThan(20);
  }, 60_000);

  test('every call of the table in docs/docker.md gets through, with names as images have them', async () => {
    const rows = await table();
    expect(rows.length).toBeGreaterThan(20);
    for (const { method, path } of rows) {
      const name = isNamed(path) ? '127.0.0.1:1/no/such-one_x.y:v1' : path.startsWith('/exec') ? '0e1f' : 'no-such.one_x';
      const query = path === '/events' ? '?since=1&until=2' : '';
      const answer = await call({ socketPath: socket(), method, path: path.replace('*', name) + query });
      expect(answer.status, `${method} ${path}`).not.toBe(403);
    }
  });

  test.each([
    ['GET', '/containers/x/export'],
    ['GET', '/containers/x/archive?path=/'],
    ['GET', '/containers/x/attach/ws'],
    ['GET', '/containers/x'],
    ['GET', '/info'],
    ['GET', '/images/json'],
    ['GET', '/images/x/get'],
    ['GET', '/networks'],
    ['GET', '/volumes'],
    ['GET', '/secrets'],
    ['GET', '/v1.41/version'],
    ['GET', '/'],
    ['POST', '/containers/x/rename'],
    ['POST', '/containers/x/attach'],
    ['POST', '/containers/prune'],
    ['POST', '/containers/create/x'],
    ['POST', '/volumes/create'],
    ['POST', '/build'],
    ['POST', '/commit'],
    ['POST', '/images/load'],
    ['POST', '/networks/x/connect'],
    ['POST', '/swarm/init'],
    ['PUT', '/containers/x/json'],
    ['HEAD', '/containers/x/archive'],
    ['DELETE', '/volumes/x'],
    ['DELETE', '/containers/x/json'],
    // Names are no way around.
    ['GET', '/containers/x/json/../export'],
    ['GET', '/images/../containers/x/json'],
    ['GET', '/images/x/../../volumes/json'],
    ['GET', '/containers/x%2fexport/json'],
    ['GET', '/volumes?/containers/x/json'],
    ['POST', '//build?/containers/create'],
    ['DELETE', '/images/../volumes/x'],
  ])('%s %s is forbidden', async (method, path) => {
    const { status, headers, body } = await call({ socketPath: socket(), method, path });
    expect([status, headers.server?.split('/')[0]]).toEqual([403, 'nginx']);
    if (method !== 'HEAD') expect(JSON.parse(body)).toEqual({ message: 'socket-proxy.conf does not let this through' });
  });
});

interface Row {
  method: string;
  path: string;
  pattern: RegExp;
}

/** Of docs/docker.md, "Rights". */
async function table(): Promise<Row[]> {
  const text = await readFile(join(ROOT, 'docs/docker.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (GET|POST|PUT|DELETE) \| (.*) \|$/gm)] as unknown as [string, string, string][];
  return rows.flatMap(([, method, paths]) =>
    ([...paths.matchAll(/`([^`]+)`/g)] as unknown as [string, string][]).map(([, path]) => {
      const any = isNamed(path) ? '.+' : '[^/]+';
      return { method, path, pattern: new RegExp(`^${method} ${path.replace('*', any)}$`) };
    }),
  );
}

/** What stands for the star may have slashes: an image's name. */
function isNamed(path: string): boolean {
  return /^\/(images|distribution)\//.test(path);
}
