import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { build } from 'esbuild';

import type { ReplicaSpec } from '../../sidecar/runtime/runtime.ts';

/** The variable by which a test finds every process that came from it, whatever the product believes. */
const TOKEN = 'FIXTURE_TOKEN';

export function tokenVariable(token: string): Record<string, string> {
  return { [TOKEN]: token };
}

/** Living processes with this token, in ascending order. One that writes over its own environment, as nginx does, is known by a file below the folder of that name that it has open. */
export function processesOf(token: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(
      (pid) => Number.isInteger(pid) && pid !== process.pid && isRunning(pid) && (carries(pid, token) || hasOpen(pid, token)),
    );
}

function hasOpen(pid: number, folder: string): boolean {
  if (!folder.startsWith('/')) return false;
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => opens(`/proc/${pid}/fd/${fd}`, `${folder}/`));
  } catch {
    return false;
  }
}

function opens(link: string, folder: string): boolean {
  try {
    return readlinkSync(link).startsWith(folder);
  } catch {
    return false;
  }
}

/** Ends what a failed test has left; each of them was started by that test. */
export function killLeftovers(token: string): void {
  for (const pid of processesOf(token)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended by itself meanwhile.
    }
  }
}

/** Zombies do not run. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function carries(pid: number, token: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${TOKEN}=${token}`);
  } catch {
    return false;
  }
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'turnout-test-'));
}

const given = new Set<number>();

/** A port below the ephemeral range that nobody listens on, each at most once per test file. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (given.has(port) || !(await canBind(port))) continue;
    given.add(port);
    return port;
  }
}

async function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Waits until the check yields something other than undefined, null or false; says what it waited for when it never does. */
export async function eventually<T>(what: string, check: () => T | Promise<T>, limit = 10_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + limit;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== null && found !== false) return found as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`Waited ${limit} ms in vain for: ${what}`);
    await sleep(10);
  }
}

/** What is sent to its address it prints. */
const SERVE = `
  require('net').createServer((socket) => socket.pipe(process.stdout, { end: false }))
    .listen(process.env.PORT, '127.0.0.1', () => console.log('ready'));`;

/** Applications, as commands. All but `speaks` run until they are stopped, and print `ready` when they may be. */
export const fixture = {
  serves: node(SERVE),
  /** Takes `ms` to end after SIGTERM, then says bye. */
  endsAfter: (ms: number) =>
    node(`
    process.on('SIGTERM', () => setTimeout(() => { console.log('bye'); process.exit(0); }, ${ms}));
    ${SERVE}`),
  ignoresSigterm: node(`process.on('SIGTERM', () => console.log('no'));${SERVE}`),
  speaks: (lines: string[], code: number) =>
    node(`process.stdout.write(${JSON.stringify(lines.map((line) => `${line}\n`).join(''))}); process.exitCode = ${code};`),
  printsEnvironment: node(`console.log(JSON.stringify(process.env)); console.log(process.cwd());${SERVE}`),
  /** Three processes: itself, a child in its group, and a child in a session of its own. None ends by itself. */
  tree: node(`
    const { spawn } = require('child_process');
    const idle = 'setInterval(() => {}, 1e6); process.on("SIGTERM", () => {}); console.log("up", process.pid)';
    const near = spawn(process.execPath, ['-e', idle], { stdio: 'inherit' });
    const far = spawn(process.execPath, ['-e', idle], { stdio: 'inherit', detached: true });
    ${SERVE}`),
  /** Uses nothing until SIGUSR2; then it, a child that ends, and one in a session of its own that does not, burn `ms` each. */
  burns: (ms: number) => {
    const burn = `for (const begin = process.cpuUsage(), used = () => Object.values(process.cpuUsage(begin)).reduce((a, b) => a + b);
      used() < ${ms * 1000}; );`;
    const far = `process.on('SIGUSR2', () => { ${burn} console.log('far burnt'); }); setInterval(() => {}, 1e6); console.log('far up');`;
    return node(`
    const { execFileSync, spawn } = require('child_process');
    const far = spawn(process.execPath, ['-e', ${JSON.stringify(far)}], { stdio: 'inherit', detached: true });
    process.on('SIGUSR2', () => {
      far.kill('SIGUSR2');
      execFileSync(process.execPath, ['-e', ${JSON.stringify(burn)}]);
      ${burn}
      console.log('near burnt');
    });
    ${SERVE}`);
  },
  /** As `tree`, each of the three with so much memory of its own. */
  holds: (bytes: number) =>
    node(`
    const { spawn } = require('child_process');
    const hold = 'globalThis.held = Buffer.alloc(${bytes}, 1); setInterval(() => {}, 1e6); console.log("up")';
    for (const detached of [false, true]) spawn(process.execPath, ['-e', hold], { stdio: 'inherit', detached });
    eval(hold);
    ${SERVE}`),
  /** Prints without a newline what it was asked to, and ends, once something connects. */
  diesSaying: (words: string) =>
    node(`
    require('net').createServer(() => process.stdout.write(${JSON.stringify(words)}, () => process.exit(1)))
      .listen(process.env.PORT, '127.0.0.1', () => console.log('ready'));`),
  /** A child in its group, and without the runtime's mark, that says "child done" some time after SIGTERM. */
  withBareChild: (ms: number) =>
    node(`
    const idle = 'setInterval(() => {}, 1e6);'
      + 'process.on("SIGTERM", () => setTimeout(() => { console.log("child done"); process.exit(0); }, ${ms}));'
      + 'console.log("child", process.pid)';
    require('child_process').spawn(process.execPath, ['-e', idle], { stdio: 'inherit', env: { ${TOKEN}: process.env.${TOKEN} } });
    ${SERVE}`),
};

/** Connects to a replica and sends; most fixtures print it. */
export async function send(address: string, text: string): Promise<void> {
  const [host, port] = address.split(':');
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.end(text));
    socket.resume();
    socket.once('error', reject);
    socket.once('close', () => resolve());
  });
}

function node(code: string): string[] {
  return [process.execPath, '-e', code];
}

/** A process of the test's own, in a group of its own, that has nothing to do with any runtime. */
export function bystander(command: [string, ...string[]], token: string, more: Record<string, string> = {}): ChildProcess {
  const [program, ...args] = command;
  const env = { PATH: process.env.PATH, ...tokenVariable(token), ...more };
  return spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env });
}

export interface OtherSidecar {
  state: string;
  env: Record<string, string>;
  starts: ReplicaSpec[];
  /** Prints what a sweep has ended instead of the list. */
  sweeps?: boolean;
}

let bundle: Promise<string> | undefined;

/**
 * Runs a ProcessRuntime in a process of its own that starts replicas, listens for their ends, follows their output, and then has nothing more to do.
 * `own` are variables of its own. Resolves with what it printed once it has ended by itself; rejects when it does not.
 */
export async function runOtherSidecar(work: OtherSidecar, own: Record<string, string> = {}): Promise<string> {
  bundle ??= bundleSidecar();
  const code = await bundle;
  const running = promisify(execFile)(process.execPath, ['-', JSON.stringify(work)], {
    timeout: 10_000,
    env: { ...process.env, ...own },
  });
  running.child.stdin?.end(code);
  return (await running).stdout;
}

async function bundleSidecar(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      resolveDir: import.meta.dirname,
      contents: `
        import { ProcessRuntime } from '../../sidecar/runtime/process/process-runtime.ts';
        const { state, env, starts, sweeps } = JSON.parse(process.argv[2]);
        const runtime = new ProcessRuntime({ state, env });
        runtime.onExit(() => {});
        (async () => {
          for (const spec of starts) await runtime.start(spec);
          const replicas = await runtime.list();
          for (const replica of replicas) runtime.matchOutput(replica, /x/);
          console.log(JSON.stringify(sweeps ? await runtime.sweep() : replicas));
        })();`,
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}
