import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { eventually, isRunning } from './processes.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
  redis: string;
}

/** The servers of Debian's packages postgresql (the newest version that is there) and redis-server; null when one is missing. */
export function findBinaries(): Binaries | null {
  const redis = '/usr/bin/redis-server';
  for (const version of postgresVersions()) {
    const initdb = `/usr/lib/postgresql/${version}/bin/initdb`;
    const postgres = `/usr/lib/postgresql/${version}/bin/postgres`;
    if ([initdb, postgres, redis].every(canRun)) return { initdb, postgres, redis };
  }
  return null;
}

/**
 * `describe` for tests that need both. On a machine that lacks one they are left out, with a line on stderr that says so;
 * in CI (`CI=true`) that is a failure.
 */
export function describeWithDatabases(title: string, body: (binaries: Binaries) => void): void {
  const binaries = findBinaries();
  if (binaries) {
    describe(title, () => body(binaries));
    return;
  }
  const missing = `${title}: needs Debian's packages postgresql and redis-server; .ci/packages installs them`;
  if (process.env.CI === 'true') {
    test(title, () => {
      throw new Error(missing);
    });
    return;
  }
  process.stderr.write(`left out: ${missing}\n`);
  describe.skip(title, () => test('needs PostgreSQL and Redis', () => {}));
}

/** What a server prints when it may be asked; PostgreSQL and Redis agree on it. */
const READY = 'eady to accept connections';

export interface Program {
  /** The program and its arguments. */
  command: string[];
  /** The signal that ends it in good order. */
  end: NodeJS.Signals;
}

/** One server process that may come and go. It dies with the test, whichever way that ends. */
export class Server {
  private child: ChildProcess | null = null;
  private output = '';

  constructor(
    private readonly program: Program,
    private readonly folder: Folder,
  ) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Resolves when it takes connections, rejects with what it printed when it does not within 20 s. */
  async start(): Promise<void> {
    if (this.child) throw new Error(`${this.program.command[0]} runs already`);
    const [file, ...args] = this.folder.words(this.program.command);
    const child = spawn(file as string, args, { cwd: this.folder.path, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.output = '';
    const collect = (text: Buffer) => {
      this.output += text.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => collect(Buffer.from(error.message)));
    try {
      await eventually(
        `${this.program.command[0]} is ready`,
        () => {
          if (hasEnded(child)) throw new Error('it ended at once');
          return this.output.includes(READY);
        },
        20_000,
      );
    } catch (error) {
      await this.kill();
      throw new Error(`${(error as Error).message}\n${this.output}`);
    }
  }

  /** Ends it in good order, so that clients are told; by force when that takes more than 10 s. */
  async stop(): Promise<void> {
    await this.signal(this.program.end);
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.signal('SIGKILL');
  }

  /** It takes connections as before, by its socket's backlog, and answers nothing until `thaw`. */
  freeze(): void {
    for (const pid of this.family()) process.kill(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of this.family()) process.kill(pid, 'SIGCONT');
  }

  private async signal(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child) return;
    this.child = null;
    const family = familyOf(child);
    if (!hasEnded(child)) child.kill(signal);
    const forced = setTimeout(() => child.kill('SIGKILL'), 10_000);
    try {
      // PostgreSQL's own children end a moment after a killed parent, and a new server waits for them.
      await eventually('the server has ended', () => hasEnded(child) && !family.some(isRunning), 15_000);
    } finally {
      clearTimeout(forced);
    }
  }

  private family(): number[] {
    return this.child ? familyOf(this.child) : [];
  }
}

/** A folder that belongs to whom the servers run as. */
export class Folder {
  private constructor(
    readonly path: string,
    private readonly user: User | null,
  ) {}

  static async create(): Promise<Folder> {
    const path = await mkdtemp(join(tmpdir(), 'turnout-server-'));
    const user = process.getuid?.() === 0 ? unprivileged() : null;
    if (user) await chown(path, user.uid, user.gid);
    return new Folder(path, user);
  }

  /**
   * A command as it has to be run: not as root, which PostgreSQL refuses, and with an end when the one who started it ends.
   * `setpriv` becomes the program itself, so its pid is the server's.
   */
  words(command: string[]): string[] {
    const who = this.user ? [`--reuid=${this.user.uid}`, `--regid=${this.user.gid}`, '--clear-groups'] : [];
    return ['setpriv', ...who, '--pdeathsig=INT', '--', ...command];
  }

  async run(command: string[]): Promise<void> {
    const [file, ...args] = this.words(command);
    await promisify(execFile)(file as string, args, { cwd: this.path, timeout: 30_000 });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface User {
  uid: number;
  gid: number;
}

function unprivileged(): User {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (!user) throw new Error('found no user postgres or nobody to run servers as');
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** The process and its children; PostgreSQL has them one level deep. */
function familyOf({ pid }: ChildProcess): number[] {
  if (pid === undefined) return [];
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    return [pid, ...children];
  } catch {
    return [];
  }
}

/** Newest first. */
function postgresVersions(): string[] {
  try {
    return readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
