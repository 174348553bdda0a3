import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeWithDatabases } from '../support/debian.ts';
import { Postgres } from '../support/postgres.ts';
import { eventually, freePort, isRunning, temporaryFolder } from '../support/processes.ts';
import { Redis } from '../support/redis.ts';

const ROOT = join(import.meta.dirname, '../..');
const SERVER = join(ROOT, 'examples/backend/server.js');

interface Answer {
  status: number;
  ms: number;
  health: { status: string; database: string; redis: string };
}

class Backend {
  output = '';
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor(env: Record<string, string>, server = SERVER) {
    this.child = spawn(process.execPath, [server], { env: { PATH: process.env.PATH, PORT: '0', ...env } });
    const collect = (text: Buffer) => {
      this.output += text;
    };
    this.child.stdout?.on('data', collect);
    this.child.stderr?.on('data', collect);
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  async listening(): Promise<this> {
    await eventually('it listens', () => {
      if (this.child.exitCode !== null) throw new Error(`it did not start: ${this.output}`);
      return this.output.includes('listens on');
    });
    return this;
  }

  async ask(path = '/health'): Promise<Answer> {
    const before = performance.now();
    const response = await fetch(`http://127.0.0.1:${/listens on .*:(\d+)\n/.exec(this.output)?.[1]}${path}`);
    const health = (await response.json()) as Answer['health'];
    return { status: response.status, ms: performance.now() - before, health };
  }

  /** What it said after "listens on". */
  get complaints(): string[] {
    return this.output.split('\n').slice(1, -1);
  }
}

const started: Backend[] = [];

function start(env: Record<string, string>, server?: string): Backend {
  const backend = new Backend(env, server);
  started.push(backend);
  return backend;
}

afterEach(async () => {
  for (const { child, exited } of started.splice(0)) {
    child.kill('SIGKILL');
    await exited;
  }
});

it.each([
  ['DATABASE_URL', 'postgres://user:open-sesame@127.0.0.1:99999/name'],
  ['DATABASE_URL', 'postgres://user:open-sesame%FF@127.0.0.1:1/name'],
  ['DATABASE_URL', 'mysql://user:open-sesame@127.0.0.1/name'],
  ['REDIS_URL', 'redis://:open-sesame@127.0.0.1:99999'],
  ['REDIS_URL', 'redis://:open-sesame@127.0.0.1/first'],
  ['REDIS_URL', 'http://:open-sesame@127.0.0.1'],
])('a malformed %s ends the process with code 2, and its password is not shown', async (name, url) => {
  const backend = start({ [name]: url });
  expect(await backend.exited).toBe(2);
  expect(backend.output).toMatch(new RegExp(`^${name}: expected a URL such as \\S+\\n$`));
  expect(backend.output).not.toContain('sesame');
});

it.each([
  ['DATABASE_URL', 'database', 'postgres://user:open-sesame@127.0.0.1'],
  ['REDIS_URL', 'redis', 'redis://:open-sesame@127.0.0.1'],
] as const)(
  'with %s naming a server that is not there, health is 503 at once, every time, and one line says why',
  async (name, key, url) => {
    const port = await freePort();
    const backend = await start({ [name]: `${url}:${port}` }).listening();
    for (let i = 0; i < 3; i++) {
      const { status, ms, health } = await backend.ask();
      expect({ status, health }).toMatchObject({ status: 503, health: { status: 'unhealthy', [key]: 'unhealthy' } });
      expect(ms).toBeLessThan(900);
    }
    expect((await backend.ask('/')).status).toBe(200);
    expect(backend.complaints).toEqual([`${key} is unhealthy: connect ECONNREFUSED 127.0.0.1:${port}`]);
  },
);

it('servers that take a connection and say nothing cost a check 1 s, both together, and no connection is left behind', async () => {
  const silent = await Silent.listen();
  const backend = await start({
    DATABASE_URL: `postgres://user:open-sesame@127.0.0.1:${silent.port}/name`,
    REDIS_URL: `redis://:open-sesame@127.0.0.1:${silent.port}`,
  }).listening();
  for (let i = 0; i < 3; i++) {
    const { status, ms, health } = await backend.ask();
    expect({ status, health }).toMatchObject({ status: 503, health: { database: 'unhealthy', redis: 'unhealthy' } });
    expect(ms).toBeGreaterThan(800);
    expect(ms).toBeLessThan(1500);
  }
  await eventually('every connection is closed', () => silent.open.size === 0);
  expect(backend.output).not.toContain('sesame');
  silent.close();
});

it('the libraries are needed only by whoever sets a variable', async () => {
  const folder = await temporaryFolder();
  try {
    cpSync(join(ROOT, 'examples/backend'), join(folder, 'backend'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(join(ROOT, 'node_modules/ws'), join(folder, 'node_modules/ws'));
    symlinkSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    const server = join(folder, 'backend/server.js');
    const backend = await start({ DATABASE_URL: '', REDIS_URL: '' }, server).listening();
    expect((await backend.ask()).health).toMatchObject({ status: 'healthy', database: 'disabled', redis: 'disabled' });
    const other = start({ REDIS_URL: 'redis://127.0.0.1:6379' }, server);
    expect(await other.exited).toBe(2);
    expect(other.output).toBe('REDIS_URL: needs a library that is not installed: npm install @redis/client\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describeWithDatabases('the health of the example with PostgreSQL and Redis', (binaries) => {
  let postgres: Postgres;
  let redis: Redis;

  beforeAll(async () => {
    [postgres, redis] = await Promise.all([Postgres.start(binaries), Redis.start(binaries)]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([postgres?.destroy(), redis?.destroy()]);
  });

  const both = () => ({ DATABASE_URL: postgres.url, REDIS_URL: redis.url });
  const healthy = { status: 200, health: { status: 'healthy', database: 'healthy', redis: 'healthy' } };

  it('is healthy from the first check, and asks over one kept connection each', async () => {
    const backend = await start(both()).listening();
    expect(await backend.ask()).toMatchObject(healthy);
    const connections = () => clientsOf([postgres.port, redis.port]);
    const first = connections();
    expect(first).toHaveLength(2);
    for (let i = 0; i < 20; i++) expect(await Promise.all([backend.ask(), backend.ask()])).toMatchObject([healthy, healthy]);
    expect(connections()).toEqual(first);
    expect(backend.complaints).toEqual([]);
  });

  it.each(['stop', 'kill'] as const)(
    '%s: unhealthy while PostgreSQL is away, then Redis, and healthy again by itself',
    async (how) => {
      const backend = await start(both()).listening();
      expect(await backend.ask()).toMatchObject(healthy);
      await postgres[how]();
      expect(await backend.ask()).toMatchObject({ status: 503, health: { database: 'unhealthy', redis: 'healthy' } });
      await postgres.start();
      expect(await backend.ask()).toMatchObject(healthy);
      await redis[how]();
      expect(await backend.ask()).toMatchObject({ status: 503, health: { database: 'healthy', redis: 'unhealthy' } });
      await redis.start();
      expect(await backend.ask()).toMatchObject(healthy);
      const changes = backend.complaints.map((line) => line.replace(/: .*/, ''));
      expect(changes).toEqual([
        'database is unhealthy',
        'database is healthy again',
        'redis is unhealthy',
        'redis is healthy again',
      ]);
    },
  );

  it('servers that hang are unhealthy after 1 s, and healthy when they go on', async () => {
    const backend = await start(both()).listening();
    expect(await backend.ask()).toMatchObject(healthy);
    postgres.freeze();
    redis.freeze();
    try {
      for (let i = 0; i < 2; i++) {
        const { status, ms, health } = await backend.ask();
        expect({ status, health }).toMatchObject({ status: 503, health: { database: 'unhealthy', redis: 'unhealthy' } });
        expect(ms).toBeLessThan(1500);
      }
    } finally {
      postgres.thaw();
      redis.thaw();
    }
    expect(await backend.ask()).toMatchObject(healthy);
  });

  it('a wrong password is unhealthy, and no part of a URL that holds one is shown', async () => {
    const backend = await start({
      DATABASE_URL: postgres.urlWith('open sesame'),
      REDIS_URL: redis.urlWith('open sesame'),
    }).listening();
    expect(await backend.ask()).toMatchObject({ status: 503, health: { database: 'unhealthy', redis: 'unhealthy' } });
    expect(backend.complaints.sort()).toEqual([
      'database is unhealthy: password authentication failed for user "postgres"',
      expect.stringMatching(/^redis is unhealthy: WRONGPASS /),
    ]);
    expect(backend.output).not.toMatch(/sesame|:\/\//);
  });

  it('leaves nothing of a server behind', async () => {
    const [one, other] = await Promise.all([Postgres.start(binaries), Redis.start(binaries)]);
    const pids = [one.pid, other.pid] as number[];
    expect(pids.every(isRunning)).toBe(true);
    expect(pids.map(uidOf)).not.toContain(0);
    await Promise.all([one.destroy(), other.destroy()]);
    expect(pids.some(isRunning)).toBe(false);
  });
});

/** A server that takes every connection and never says a word. */
class Silent {
  readonly open = new Set<Socket>();

  private constructor(
    private readonly server: NetServer,
    readonly port: number,
  ) {
    server.on('connection', (socket) => {
      this.open.add(socket);
      socket.resume();
      socket.on('error', () => {});
      socket.on('close', () => this.open.delete(socket));
    });
  }

  static async listen(): Promise<Silent> {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new Silent(server, port);
  }

  close(): void {
    this.server.close();
  }
}

/** The clients' ends of all connections to these ports of this machine. */
function clientsOf(ports: number[]): string[] {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => state === '01' && ports.includes(Number.parseInt(remote?.split(':')[1] ?? '', 16)))
    .map(([, local, remote]) => `${local} ${remote}`)
    .sort();
}

function uidOf(pid: number): number {
  return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
