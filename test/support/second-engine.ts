import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { bundled } from './builders-bundle.ts';
import { buildImages } from './compose.ts';
import type { HttpAnswer, HttpCall } from './http.ts';
import type { LoadOptions, LoadReport } from './load.ts';
import { eventually, isRunning, temporaryFolder } from './processes.ts';

const run = promisify(execFile);

/** What compose.yaml runs. */
const IMAGES = ['turnout-gateway', 'turnout-sidecar', 'turnout-example:v1', 'turnout-example:v2', 'postgres:17', 'redis:8'];

/** For `describe.skipIf`: why there can be no second engine here. Null when there can be one. In CI (`CI=true`) it throws instead. */
export function secondEngineMissing(): string | null {
  const tried = 'command -v dockerd setpriv ip >/dev/null && exec unshare --net --mount true';
  try {
    execFileSync('sh', ['-c', tried], { stdio: 'ignore' });
    return null;
  } catch {
    const why = 'A second Docker Engine needs root, dockerd, iproute2 and util-linux: its tests are left out';
    if (process.env.CI === 'true') throw new Error(why);
    process.stderr.write(`${why}\n`);
    return why;
  }
}

/**
 * A Docker Engine of the test's own, which may be ended and started again. Its networks and ports are in a network namespace and its
 * mounts in a mount namespace, so nothing of it meets the machine's engine, and nothing of it is left once its last process is gone.
 */
export class SecondEngine {
  private daemon: ChildProcess | null = null;
  private output = '';

  private constructor(
    readonly folder: string,
    /** Keeps the namespaces while no daemon runs; ends with the test, whichever way that ends. */
    private readonly keeper: ChildProcess,
    private readonly inside: Inside,
  ) {}

  /** Starts one without any image. */
  static async start(flags: string[] = []): Promise<SecondEngine> {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'run'));
    const hold = 'ip link set lo up && echo ready && exec cat';
    const keeper = spawn('unshare', ['--net', '--mount', 'sh', '-c', hold], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(keeper.stdout, 'data');
    const engine = new SecondEngine(folder, keeper, await Inside.start(folder, within(keeper)));
    await engine.begin(flags);
    return engine;
  }

  get socketFolder(): string {
    return join(this.folder, 'run');
  }

  get address(): string {
    return `unix://${this.socketFolder}/docker.sock`;
  }

  /** One request to a port that is published there. */
  readonly call = (one: HttpCall): Promise<HttpAnswer> => this.inside.ask<HttpAnswer>('call', one);

  /** As `startLoad`, sent from where the published ports are. */
  async startLoad(options: LoadOptions & { color?: string }): Promise<InsideLoad> {
    return new InsideLoad(this.inside, await this.inside.ask<number>('load', options));
  }

  /** Builds the images of compose.yaml by the machine's engine, and hands them over. */
  async load(): Promise<void> {
    await buildImages();
    await run('sh', ['-c', `docker save ${IMAGES.join(' ')} | docker --host ${this.address} load`]);
  }

  /** Answers once it does. With the data of the daemon before. */
  async begin(flags: string[] = []): Promise<void> {
    const { folder } = this;
    const paths = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')];
    // It takes the docker0 away from the namespace that it runs in: never without one of its own.
    const words = ['dockerd', '--bridge=none', ...paths, '--host', this.address, ...flags];
    const [program, ...args] = within(this.keeper, ['setpriv', '--pdeathsig=TERM', ...words]);
    const daemon = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.daemon = daemon;
    this.output = '';
    const collect = (text: Buffer) => {
      this.output += text.toString();
    };
    daemon.stdout.on('data', collect);
    daemon.stderr.on('data', collect);
    await eventually(
      'the second engine answers',
      async () => {
        if (daemon.exitCode !== null) throw new Error(`the second engine ended with ${daemon.exitCode}:\n${this.output}`);
        const ping = { socketPath: join(this.socketFolder, 'docker.sock'), method: 'GET', path: '/_ping' };
        return (await this.call(ping).catch(() => null))?.status === 200;
      },
      60_000,
    );
  }

  /** A signal to the daemon alone. Resolves when it has ended; answers after how many milliseconds. */
  async end(signal: NodeJS.Signals): Promise<number> {
    const { daemon } = this;
    this.daemon = null;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return 0;
    const begin = performance.now();
    const ended = once(daemon, 'exit');
    const containerd = await readFile(join(this.folder, 'exec/containerd/containerd.pid'), 'utf8').catch(() => '');
    daemon.kill(signal);
    await ended;
    const took = Math.round(performance.now() - begin);
    // It ends with the daemon; a new daemon that still sees it would wait for it in vain.
    await eventually('containerd has ended', () => containerd === '' || !existsSync(`/proc/${containerd}`));
    return took;
  }

  /** Ends everything in it and of it. */
  async destroy(): Promise<void> {
    const docker = (...words: string[]) => run('docker', ['--host', this.address, ...words]);
    const { stdout } = await docker('ps', '--all', '--quiet').catch(() => ({ stdout: '' }));
    const left = stdout.split('\n').filter(Boolean);
    if (left.length > 0) await docker('rm', '--force', ...left).catch(() => {});
    await this.end('SIGTERM');
    this.inside.close();
    const namespace = await readlink(`/proc/${this.keeper.pid}/ns/mnt`).catch(() => null);
    await eventually('nothing of the second engine runs any more', async () => {
      const living = namespace === null ? [] : await family(namespace, this.keeper.pid as number);
      for (const pid of living) kill(pid);
      return living.length === 0;
    });
    const gone = once(this.keeper, 'exit');
    this.keeper.kill('SIGKILL');
    await gone;
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A load that another process sends. */
export class InsideLoad {
  constructor(
    private readonly inside: Inside,
    private readonly load: number,
  ) {}

  /** Requests that have ended so far, and how many of them not well. */
  async counts(): Promise<{ total: number; failed: number }> {
    return this.inside.ask('counts', this.load);
  }

  /** `outageMs`: the longest time in which no request was answered well; an error of the gateway's is none. */
  async stop(): Promise<LoadReport & { outageMs: number }> {
    return this.inside.ask('stop', this.load);
  }
}

const PROGRAM = `
  import { call } from './test/support/http.ts';
  import { startLoad } from './test/support/load.ts';

  const loads = [];
  const work = {
    call,
    load: ({ color, ...options }) => {
      const load = startLoad(options);
      if (color) load.expectColor(color);
      const outage = { ms: 0, good: 0, at: performance.now() };
      const looking = setInterval(() => {
        const now = performance.now();
        outage.ms = Math.max(outage.ms, now - outage.at);
        const good = load.total - load.failed;
        if (good > outage.good) Object.assign(outage, { good, at: now });
      }, 5);
      return loads.push({ load, outage, looking }) - 1;
    },
    counts: (one) => ({ total: loads[one].load.total, failed: loads[one].load.failed }),
    stop: async (one) => {
      const { load, outage, looking } = loads[one];
      clearInterval(looking);
      return { ...(await load.stop()), outageMs: Math.round(outage.ms) };
    },
  };
  process.on('message', async ({ id, verb, value }) => {
    try {
      process.send({ id, answer: await work[verb](value) });
    } catch (error) {
      process.send({ id, error: String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
`;

interface Waiting {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
}

/** A process in the engine's namespaces that does what it is asked to. */
class Inside {
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
      const one = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) one?.resolve(answer);
      else one?.reject(new Error(error));
    });
    child.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the process in the namespace has ended'));
    });
  }

  static async start(folder: string, [program, ...args]: string[]): Promise<Inside> {
    const code = await bundled(folder, PROGRAM);
    const child = spawn(program as string, [...args, process.execPath, code], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    return new Inside(child);
  }

  ask<T>(verb: string, value: unknown): Promise<T> {
    const id = this.next++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      this.child.send({ id, verb, value });
    });
  }

  close(): void {
    this.child.disconnect();
  }
}

/** The words that run a command in the namespaces of that process; `nsenter` becomes the command itself. */
function within({ pid }: ChildProcess, command: string[] = []): string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, '--', ...command];
}

/** Everything in that mount namespace but its keeper, and what has come from there into namespaces of its own: containers. */
async function family(namespace: string, keeper: number): Promise<number[]> {
  const all = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && isRunning(pid));
  const parents = new Map<number, number>();
  const found = new Set<number>();
  for (const pid of all) {
    if ((await readlink(`/proc/${pid}/ns/mnt`).catch(() => '')) === namespace && pid !== keeper) found.add(pid);
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    parents.set(pid, Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0));
  }
  const descends = (pid: number): boolean => found.has(pid) || (parents.has(pid) && descends(parents.get(pid) as number));
  return all.filter((pid) => pid !== keeper && descends(pid));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself meanwhile.
  }
}
