import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

const SERVER = fileURLToPath(new URL('../../examples/backend/server.js', import.meta.url));
const WHO = { TURNOUT_SERVICE: 'backend', TURNOUT_RELEASE: 'v7', TURNOUT_COLOR: 'green', TURNOUT_SLOT: '2' };

/** The real process, on a port that it chooses itself, with nothing of this test's own environment that it would read. */
class Backend {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor(env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [SERVER], { env: { PATH: process.env.PATH, PORT: '0', ...WHO, ...env } });
    this.child.stdout?.on('data', (text) => (this.stdout += text));
    this.child.stderr?.on('data', (text) => (this.stderr += text));
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  async listening(): Promise<this> {
    await until(() => this.stdout.includes('\n') || this.child.exitCode !== null);
    if (!this.stdout.includes('listens on')) throw new Error(`it did not start: ${this.stderr}`);
    return this;
  }

  get port(): number {
    return Number(/:(\d+)\n/.exec(this.stdout)?.[1]);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }
}

async function until(condition: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${condition}`);
    await sleep(10);
  }
}

const started: Backend[] = [];

function start(env?: Record<string, string>): Backend {
  const backend = new Backend(env);
  started.push(backend);
  return backend;
}

afterEach(async () => {
  for (const { child, exited } of started.splice(0)) {
    child.kill('SIGKILL');
    await exited;
  }
});

describe('a backend without faults', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await new Backend().listening();
  });
  afterAll(async () => {
    backend.child.kill('SIGKILL');
    await backend.exited;
  });

  it('says at start who it is and where it listens', () => {
    expect(backend.stdout).toBe(`backend v7 (green/2) listens on 127.0.0.1:${backend.port}\n`);
  });

  it.each([
    ['GET', '/', 200],
    ['HEAD', '/', 200],
    ['GET', '/?a=1', 200],
    ['GET', '/health', 200],
    ['HEAD', '/health', 200],
    ['POST', '/echo', 200],
    ['GET', '/echo', 405],
    ['PUT', '/echo', 405],
    ['POST', '/', 405],
    ['GET', '/slow?ms=0', 200],
    ['POST', '/slow?ms=0', 200],
    ['GET', '/slow', 400],
    ['GET', '/slow?ms=', 400],
    ['GET', '/slow?ms=-1', 400],
    ['GET', '/slow?ms=1e3', 400],
    ['GET', '/slow?ms=600001', 400],
    ['GET', '/stream?count=1', 200],
    ['HEAD', '/stream', 200],
    ['GET', '/stream?ms=0', 400],
    ['GET', '/stream?count=0', 400],
    ['GET', '/ws', 426],
    ['GET', '/nowhere', 404],
    ['HEAD', '/nowhere', 404],
    ['GET', '/__proto__', 404],
  ])('answers %s %s with %i and says who it is', async (method, path, status) => {
    const response = await fetch(backend.url(path), { method, ...(method === 'POST' ? { body: 'x' } : {}) });
    const body = await response.text();
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-release': 'v7',
      'x-color': 'green',
      'x-slot': '2',
      'x-pid': String(backend.child.pid),
    });
    if (method === 'HEAD') expect(body).toBe('');
    if (status >= 400 && method !== 'HEAD') expect(JSON.parse(body)).toHaveProperty('error');
    if (status === 405) expect(response.headers.get('allow')).not.toBeNull();
  });

  it('greets with its service, color, release, slot and pid', async () => {
    const greeting = await (await fetch(backend.url('/'))).json();
    expect(greeting).toMatchObject({ service: 'backend', color: 'green', release: 'v7', slot: '2', pid: backend.child.pid });
  });

  it('tells its health, version and environment', async () => {
    const health = (await (await fetch(backend.url('/health'))).json()) as Record<string, unknown>;
    expect(health).toEqual({
      status: 'healthy',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      uptime_seconds: expect.any(Number),
      version: 'v7',
      environment: 'development',
      database: 'disabled',
      redis: 'disabled',
    });
  });

  it.each([0, 1, 16 * 1024, 1024 * 1024, 5_000_003])('echoes a body of %i bytes byte for byte', async (length) => {
    const body = Buffer.alloc(length);
    for (let i = 0; i < length; i++) body[i] = (i * 31 + (i >> 8)) & 0xff;
    const response = await fetch(backend.url('/echo'), { method: 'POST', body, headers: { 'content-type': 'image/x-odd; q=1' } });
    expect(response.headers.get('content-type')).toBe('image/x-odd; q=1');
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it('echoes a body that comes in chunks without a length', async () => {
    const answer = new Promise<string>((resolve, reject) => {
      const req = request(backend.url('/echo'), { method: 'POST' }, async (res) => {
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve(text);
      });
      req.on('error', reject);
      req.write('one ');
      setTimeout(() => req.end('two'), 20);
    });
    expect(await answer).toBe('one two');
  });

  it('answers a slow request no sooner than asked', async () => {
    const before = performance.now();
    expect((await fetch(backend.url('/slow?ms=200'))).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(195);
  });

  it('streams as many events as asked, the first one at once, and tells nginx not to hold them back', async () => {
    const before = performance.now();
    const response = await fetch(backend.url('/stream?ms=100&count=3'));
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const text = await response.text();
    expect(performance.now() - before).toBeGreaterThan(195);
    const data = [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] as string));
    expect(data).toEqual([1, 2, 3].map((n) => ({ n, release: 'v7', color: 'green' })));
  });

  it('says hello on a WebSocket, with who it is in the handshake, and echoes text and bytes', async () => {
    const client = new WebSocket(`ws://127.0.0.1:${backend.port}/ws`);
    const messages: [string, boolean][] = [];
    let handshake: IncomingMessage | undefined;
    client.on('upgrade', (response) => (handshake = response));
    client.on('message', (data, isBinary) => messages.push([String(data), isBinary]));
    await once(client, 'open');
    client.send('text');
    client.send(Buffer.from('bytes'));
    await until(() => messages.length === 3);
    client.terminate();
    expect(handshake?.headers).toMatchObject({ 'x-release': 'v7', 'x-color': 'green', 'x-slot': '2' });
    expect(JSON.parse(messages[0]?.[0] as string)).toEqual({ release: 'v7', color: 'green' });
    expect(messages.slice(1)).toEqual([
      ['text', false],
      ['bytes', true],
    ]);
  });

  it('refuses a WebSocket on another path with 404', async () => {
    const client = new WebSocket(`ws://127.0.0.1:${backend.port}/elsewhere`);
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    client.on('error', () => {});
    client.terminate();
    expect(response.statusCode).toBe(404);
    expect(response.headers['x-color']).toBe('green');
  });

  it('answers a request that offers h2c as if it had not', async () => {
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': '' };
    const [response] = (await once(get(backend.url('/health'), { headers }), 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});

describe('a backend that is told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s answers what is in flight with Connection: close, then exits with 0',
    async (signal) => {
      const backend = await start().listening();
      const agent = new Agent({ keepAlive: true });
      const [idle] = (await once(get(backend.url('/'), { agent }), 'response')) as [IncomingMessage];
      const socket = idle.socket;
      idle.resume();
      const slow = get(backend.url('/slow?ms=600'), { agent: new Agent({ keepAlive: true }) });
      const answered = once(slow, 'response') as Promise<[IncomingMessage]>;
      await once(slow, 'finish');
      await fetch(backend.url('/health')); // by then the slow request is in
      const toldAt = performance.now();
      backend.child.kill(signal);
      backend.child.kill(signal);
      await until(() => socket.destroyed);
      const [response] = await answered;
      let body = '';
      for await (const chunk of response) body += chunk;
      expect(JSON.parse(body)).toMatchObject({ waited_ms: 600 });
      expect(response.headers.connection).toBe('close');
      expect(await backend.exited).toBe(0);
      expect(performance.now() - toldAt).toBeLessThan(2000);
    },
  );

  it('lets nobody new in', async () => {
    const backend = await start().listening();
    const slow = fetch(backend.url('/slow?ms=600'));
    await sleep(100);
    await fetch(backend.url('/health'));
    backend.child.kill('SIGTERM');
    await until(() => refused(backend.port));
    expect((await slow).status).toBe(200);
  });

  it('closes WebSockets with 1001 and ends endless streams', async () => {
    const backend = await start().listening();
    const client = new WebSocket(`ws://127.0.0.1:${backend.port}/ws`);
    await once(client, 'open');
    const stream = await fetch(backend.url('/stream?ms=50'));
    const closed = once(client, 'close');
    backend.child.kill('SIGTERM');
    expect((await closed)[0]).toBe(1001);
    expect(await stream.text()).toContain('data: {"n":1,');
    expect(await backend.exited).toBe(0);
  });

  it('lets a stream with a count come to its end', async () => {
    const backend = await start().listening();
    const stream = await fetch(backend.url('/stream?ms=100&count=5'));
    backend.child.kill('SIGTERM');
    expect(await stream.text()).toContain('data: {"n":5,');
    expect(await backend.exited).toBe(0);
  });

  it('does not wait for a connection that never asked anything', async () => {
    const backend = await start().listening();
    const socket = connect(backend.port, '127.0.0.1');
    await once(socket, 'connect');
    await fetch(backend.url('/health')); // by then the connection is known over there
    backend.child.kill('SIGTERM');
    expect(await backend.exited).toBe(0);
    socket.destroy();
  });
});

describe('a release started with a fault', () => {
  it('FAULT_SLOW_MS makes every answer but health wait', async () => {
    const backend = await start({ FAULT_SLOW_MS: '300' }).listening();
    const before = performance.now();
    const order: string[] = [];
    const ask = async (path: string) => {
      await (await fetch(backend.url(path), path === '/echo' ? { method: 'POST', body: 'abc' } : {})).text();
      order.push(path);
    };
    const slow = ['/', '/echo', '/nowhere'].map(async (path) => {
      await ask(path);
      expect(performance.now() - before).toBeGreaterThan(295);
    });
    await ask('/health');
    await Promise.all(slow);
    expect(order[0]).toBe('/health');
  });

  it('FAULT_SLOW_MS keeps the body of an echo that had to wait', async () => {
    const backend = await start({ FAULT_SLOW_MS: '50' }).listening();
    const body = Buffer.alloc(1024 * 1024, 'turnout');
    const response = await fetch(backend.url('/echo'), { method: 'POST', body });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it.each([
    ['0.2', 20],
    ['20%', 20],
    ['0.29', 29],
    ['1', 100],
    ['0', 0],
    ['12.5 %', 12],
  ])('FAULT_ERROR_SHARE=%s fails exactly %i of 100 answers, evenly, and never health', async (share, failing) => {
    const backend = await start({ FAULT_ERROR_SHARE: share }).listening();
    const statuses: number[] = [];
    for (let i = 0; i < 100; i++) {
      const response = await fetch(backend.url('/'));
      await response.text();
      statuses.push(response.status);
      if (i % 10 === 0) expect((await fetch(backend.url('/health'))).status).toBe(200);
    }
    expect(statuses.filter((status) => status === 500)).toHaveLength(failing);
    if (failing === 20) expect(statuses.every((status, i) => (status === 500) === (i % 5 === 4))).toBe(true);
  });

  it('FAULT_ERROR_SHARE fails WebSocket handshakes too', async () => {
    const backend = await start({ FAULT_ERROR_SHARE: '1' }).listening();
    const client = new WebSocket(`ws://127.0.0.1:${backend.port}/ws`);
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    client.on('error', () => {});
    client.terminate();
    expect(response.statusCode).toBe(500);
  });

  it('FAULT_SLOW_MS lets a WebSocket through after the wait', async () => {
    const backend = await start({ FAULT_SLOW_MS: '100' }).listening();
    const client = new WebSocket(`ws://127.0.0.1:${backend.port}/ws`);
    const [hello] = await once(client, 'message');
    client.terminate();
    expect(JSON.parse(String(hello))).toMatchObject({ color: 'green' });
  });

  it('FAULT_UNHEALTHY_AFTER_S turns health to 503 with an unhealthy database, and answers the rest as before', async () => {
    const backend = await start({ FAULT_UNHEALTHY_AFTER_S: '1.5' }).listening();
    expect((await fetch(backend.url('/health'))).status).toBe(200);
    await until(async () => (await fetch(backend.url('/health'))).status === 503);
    const health = await (await fetch(backend.url('/health'))).json();
    expect(health).toMatchObject({ status: 'unhealthy', database: 'unhealthy', redis: 'disabled' });
    expect((health as { uptime_seconds: number }).uptime_seconds).toBeGreaterThanOrEqual(1.5);
    expect((await fetch(backend.url('/'))).status).toBe(200);
  });

  it('FAULT_UNHEALTHY_AFTER_S=0 is never healthy', async () => {
    const backend = await start({ FAULT_UNHEALTHY_AFTER_S: '0' }).listening();
    expect((await fetch(backend.url('/health'))).status).toBe(503);
  });

  it('FAULT_EXIT_AFTER_S exits with 1 and says so last', async () => {
    const backend = await start({ FAULT_EXIT_AFTER_S: '0.3' }).listening();
    expect(await backend.exited).toBe(1);
    expect(backend.stderr).toBe('fault: exiting as told\n');
  });

  it('FAULT_EXIT_AFTER_S=0 exits before it listens', async () => {
    const backend = start({ FAULT_EXIT_AFTER_S: '0' });
    expect(await backend.exited).toBe(1);
    expect(backend.stdout).toBe('');
    expect(backend.stderr).toBe('fault: exiting as told\n');
  });

  it('FAULT_LEAK_MB_PER_S holds more and more memory', async () => {
    const backend = await start({ FAULT_LEAK_MB_PER_S: '60' }).listening();
    const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${backend.child.pid}/status`, 'utf8'))?.[1]) / 1024;
    const before = residentMb();
    await until(() => residentMb() - before > 110);
  });

  it('FAULT_LOG_ERRORS_PER_S writes that many errors a second, each with a stack', async () => {
    const backend = await start({ FAULT_LOG_ERRORS_PER_S: '20' }).listening();
    const errors = () => backend.stderr.match(/^ERROR Exception in handler: .+\n {4}at .+\n {4}at .+$/gm)?.length ?? 0;
    await until(() => errors() > 0);
    const [before, since] = [errors(), performance.now()];
    await sleep(1000);
    const perSecond = ((errors() - before) / (performance.now() - since)) * 1000;
    expect(perSecond).toBeGreaterThan(12);
    expect(perSecond).toBeLessThan(28);
  });

  it('FAULT_START_DELAY_S listens only then, and can be stopped before', async () => {
    const before = performance.now();
    await start({ FAULT_START_DELAY_S: '0.5' }).listening();
    expect(performance.now() - before).toBeGreaterThan(500);
    const waiting = start({ FAULT_START_DELAY_S: '30', FAULT_LOG_ERRORS_PER_S: '50' });
    await until(() => waiting.stderr !== ''); // by then it hears signals
    waiting.child.kill('SIGTERM');
    expect(await waiting.exited).toBe(0);
  });

  it('FAULT_IGNORE_SIGTERM=1 goes on after SIGTERM', async () => {
    const backend = await start({ FAULT_IGNORE_SIGTERM: '1' }).listening();
    backend.child.kill('SIGTERM');
    await (await fetch(backend.url('/slow?ms=200'))).text();
    expect(await refused(backend.port)).toBe(false);
    backend.child.kill('SIGINT');
    expect(await backend.exited).toBe(0);
  });

  it.each([
    ['FAULT_SLOW_MS', 'soon'],
    ['FAULT_SLOW_MS', '-1'],
    ['FAULT_ERROR_SHARE', '1.1'],
    ['FAULT_ERROR_SHARE', '120%'],
    ['FAULT_UNHEALTHY_AFTER_S', '3s'],
    ['FAULT_EXIT_AFTER_S', 'Infinity'],
    ['FAULT_EXIT_AFTER_S', '2147484'],
    ['FAULT_LEAK_MB_PER_S', '0x10'],
    ['FAULT_LOG_ERRORS_PER_S', ' '],
    ['FAULT_START_DELAY_S', '1e1'],
    ['FAULT_IGNORE_SIGTERM', 'yes'],
    ['FAULT_SLOWNESS', '1'],
    ['PORT', '70000'],
  ])('%s=%s is refused with exit code 2', async (name, value) => {
    const backend = start({ [name]: value });
    expect(await backend.exited).toBe(2);
    expect(backend.stderr.startsWith(`${name}: `)).toBe(true);
    expect(backend.stderr.split('\n')).toHaveLength(2);
  });

  it('an empty fault is none', async () => {
    const backend = await start({ FAULT_ERROR_SHARE: '', FAULT_EXIT_AFTER_S: '' }).listening();
    expect((await fetch(backend.url('/'))).status).toBe(200);
  });
});

function refused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}
