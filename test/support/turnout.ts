import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Color, Route } from '../../njs/route.ts';
import type { ServiceView } from '../../sidecar/deploy/view.ts';
import type { Deployment } from '../../sidecar/store/deployment.ts';
import type { HistoryEntry } from '../../sidecar/store/record.ts';
import { call, type HttpAnswer } from './http.ts';
import { eventually, freePort, killLeftovers, processesOf, temporaryFolder, tokenVariable } from './processes.ts';

export const ROOT = join(import.meta.dirname, '../..');
const BIN = join(ROOT, 'build/turnout.js');
export const BACKEND = join(ROOT, 'examples/backend/server.js');

/** Ports for slots of one test, unless it says how many it needs. */
const RANGE = 16;

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface TurnoutOptions {
  /** Merged over the example service; `null` leaves a key out. */
  service?: Record<string, unknown>;
  /** In place of the one that is called `backend`; each is merged over the example service. */
  services?: Record<string, Record<string, unknown>>;
  /** How many ports there are for slots. Default 16. */
  slots?: number;
  /** Merged over the top level. */
  config?: Record<string, unknown>;
  /** nginx workers. Default 2. */
  workers?: number;
  /** On top of the test's own environment. */
  env?: Record<string, string>;
}

/** A whole Turnout of its own: folder, ports, gateway, sidecar, replicas. Everything runs as a user would run it. */
export class Turnout {
  child: ChildProcess | null = null;
  /** Done by `destroy` once nothing runs any more. */
  beforeRemoval: () => void = () => undefined;
  /** What `up` has printed since its last start. */
  output = '';

  private constructor(
    readonly folder: string,
    readonly file: string,
    readonly gatewayPort: number,
    readonly apiPort: number,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Writes turnout.yaml in a folder of its own; nothing runs yet. */
  static async create(options: TurnoutOptions = {}): Promise<Turnout> {
    const { service = {}, services = { backend: service }, slots = RANGE, config = {}, workers = 2, env = {} } = options;
    const folder = await temporaryFolder();
    const from = await freeRange(slots);
    const gatewayPort = await portOutside(from, slots);
    const apiPort = await portOutside(from, slots);
    const whole = {
      ports: `${from}-${from + slots - 1}`,
      gateway: { listen: `127.0.0.1:${gatewayPort}`, workers },
      api: { listen: `127.0.0.1:${apiPort}` },
      services: Object.fromEntries(Object.entries(services).map(([name, own]) => [name, exampleService(own)])),
      ...config,
    };
    const file = join(folder, 'turnout.yaml');
    await writeFile(file, stringify(whole));
    // The mark by which everything that came from this test can be found and ended.
    const marked = { ...process.env, ...tokenVariable(folder), ...env };
    for (const name of Object.keys(marked))
      if (name.startsWith('npm_') || name === 'TURNOUT_CONFIG') delete (marked as NodeJS.ProcessEnv)[name];
    return new Turnout(folder, file, gatewayPort, apiPort, marked);
  }

  /** `create`, `up`, and the first release is live. */
  static async start(options: TurnoutOptions = {}): Promise<Turnout> {
    const turnout = await Turnout.create(options);
    try {
      await turnout.up();
      await turnout.untilLive();
    } catch (error) {
      await turnout.destroy();
      throw error;
    }
    return turnout;
  }

  get state(): string {
    return join(this.folder, '.turnout');
  }

  get origin(): string {
    return `http://127.0.0.1:${this.gatewayPort}`;
  }

  get controlSocket(): string {
    return join(this.state, 'gateway/control.sock');
  }

  /** Starts `turnout up` and waits until it says so. */
  async up(env: Record<string, string> = {}): Promise<void> {
    const child = spawn(process.execPath, [BIN, 'up', '-f', this.file], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    this.output = '';
    const collect = (text: Buffer) => {
      this.output += text.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    await eventually(
      'turnout is up',
      () => {
        if (child.exitCode !== null) throw new Error(`turnout up ended with ${child.exitCode}:\n${this.output}`);
        return this.output.includes('turnout is up');
      },
      30_000,
    );
  }

  async untilLive(color?: Color): Promise<void> {
    await eventually(
      `${color ?? 'a color'} is live\n${this.output}`,
      async () => {
        const { active, deployment } = await this.view();
        return deployment?.phase === 'live' && (color === undefined ? active !== null : active === color);
      },
      20_000,
    );
  }

  /** A signal to the sidecar, and wait until it has ended. */
  async endSidecar(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return ended;
  }

  /** Ends everything that came from this test and removes its folder. */
  async destroy(): Promise<void> {
    await this.endSidecar('SIGKILL');
    await eventually('nothing of the test runs any more', () => {
      killLeftovers(this.folder);
      return this.processes().length === 0;
    });
    this.beforeRemoval();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** For a failing test: what nginx and the sidecar said. */
  diagnosis(): string {
    const log = join(this.state, 'gateway/error.log');
    return `--- sidecar\n${this.output}\n--- nginx error log\n${existsSync(log) ? readFileSync(log, 'utf8') : '(none)'}`;
  }

  /** Runs one verb as a shell would; never rejects for an exit code. */
  cli(verb: string, ...words: string[]): Promise<CliResult> {
    return new Promise((resolve) => {
      const args = [BIN, verb, '-f', this.file, ...words];
      execFile(
        process.execPath,
        args,
        { cwd: this.folder, env: this.env, maxBuffer: 64 * 1024 ** 2 },
        (error, stdout, stderr) => {
          resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
        },
      );
    });
  }

  token(): string {
    return readFileSync(join(this.state, 'token'), 'utf8').trim();
  }

  /** One call of the sidecar's API, with the token unless headers say otherwise. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${this.token()}` },
  ): Promise<HttpAnswer> {
    return call({ port: this.apiPort, method, path, headers, ...asBody(body) });
  }

  /** One call of the gateway's control API, as curl would make it. */
  control(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return call({ socketPath: this.controlSocket, method, path, headers, ...asBody(body) });
  }

  async route(): Promise<Route> {
    return JSON.parse((await this.control('GET', '/v1/routes/backend')).body) as Route;
  }

  async view(): Promise<ServiceView> {
    return JSON.parse((await this.api('GET', '/v1/services/backend')).body) as ServiceView;
  }

  async history(): Promise<HistoryEntry[]> {
    return (JSON.parse((await this.api('GET', '/v1/services/backend/history')).body) as { history: HistoryEntry[] }).history;
  }

  async deployments(): Promise<Deployment[]> {
    return (JSON.parse((await this.api('GET', '/v1/services/backend/deployments')).body) as { deployments: Deployment[] })
      .deployments;
  }

  /** The replicas' processes of a color, from their records. */
  replicaPids(color: Color): Promise<number[]> {
    return this.view().then((view) => Promise.all(view.colors[color].replicas.map(({ slot }) => this.replicaPid(color, slot))));
  }

  async replicaPid(color: Color, slot = 1): Promise<number> {
    const text = await readFile(join(this.state, 'replicas/backend', `${color}-${slot}.json`), 'utf8');
    return (JSON.parse(text) as { process: { pid: number } }).process.pid;
  }

  masterPid(): number {
    return Number(readFileSync(join(this.state, 'gateway/nginx.pid'), 'utf8'));
  }

  /** Everything alive that carries this test's mark in its environment. */
  processes(): number[] {
    return processesOf(this.folder);
  }
}

function asBody(body: unknown): { body?: string } {
  if (body === undefined) return {};
  return { body: typeof body === 'string' ? body : JSON.stringify(body) };
}

/** The example service with these keys in place of its own. */
function exampleService(own: Record<string, unknown>): Record<string, unknown> {
  const whole = {
    command: ['node', BACKEND],
    health: { path: '/health', interval: '100ms' },
    bake: { for: '0s' },
    ...own,
  };
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== null));
}

/** A free port that is none of the slots'. */
async function portOutside(from: number, slots: number): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port < from || port >= from + slots) return port;
  }
}

/** The first port of so many free ones in a row. */
async function freeRange(size: number): Promise<number> {
  for (;;) {
    const from = await freePort();
    if (from + size > 32_767) continue;
    const free = await Promise.all(Array.from({ length: size }, (_, i) => canListen(from + i)));
    if (free.every(Boolean)) return from;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
