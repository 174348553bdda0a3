import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually, freePort, temporaryFolder } from '../support/processes.ts';
import { nginxHome } from './gateway-folder.ts';

/** A program that the benchmark runs, in the foreground, and ends by its own pid. */
export class Server {
  private constructor(
    readonly child: ChildProcess,
    private readonly said: () => string,
  ) {}

  /** Resolves once something answers on the port; rejects with what the program said when it ends before. */
  static async start(command: string[], port: number, { limit = 20_000, env = process.env } = {}): Promise<Server> {
    const [program, ...args] = command as [string, ...string[]];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said = `${said}${text}`.slice(-4000)));
    const server = new Server(child, () => said);
    const answers = async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${command.join(' ')} has ended:\n${said}`);
      return canConnect(port);
    };
    await eventually(`${program} listens on ${port}`, answers, limit).catch(async (error) => {
      await server.stop('SIGKILL');
      throw error;
    });
    return server;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** By SIGTERM, unless another signal is named; SIGKILL after so many ms. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', limit = 20_000): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), limit);
    await ended;
    clearTimeout(timer);
  }

  output(): string {
    return this.said();
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** `command` on that core alone. */
export function pinned(core: number, command: string[]): string[] {
  return ['taskset', '-c', String(core), ...command];
}

/** Bodies of an exact size, so that every request costs the same. */
const SMALL = 'x'.repeat(1024);

/** The application behind every contender: an nginx that answers 1 kB on every path, 100 kB on /large, and 200 on /health. */
export class Backend {
  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly server: Server,
  ) {}

  static async start(core?: number): Promise<Backend> {
    const folder = await temporaryFolder();
    const port = await freePort();
    await writeBackend(folder);
    const command = backendCommand(folder);
    const env = { ...process.env, PORT: String(port) };
    const server = await Server.start(core === undefined ? command : pinned(core, command), port, { env });
    return new Backend(folder, port, server);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** `small`: one process of a few MB, for hundreds of them. */
export async function writeBackend(folder: string, { small = false } = {}): Promise<void> {
  await mkdir(join(folder, 'files'), { recursive: true });
  await writeFile(join(folder, 'files/large'), 'y'.repeat(100 * 1024));
  await writeFile(join(folder, 'files/small'), SMALL);
  await writeFile(join(folder, 'backend.conf'), backendConf(folder, small));
}

/** Listens on $PORT, as Turnout's replicas do. nginx has no variables in `listen`: the shell that becomes nginx puts it in. */
export function backendCommand(folder: string): string[] {
  const own = `${folder}/$PORT`;
  const script = `sed "s/@PORT@/$PORT/; s/@COLOR@/$TURNOUT_COLOR/" ${folder}/backend.conf > ${own}.conf && exec "$@" -c ${own}.conf -g "daemon off; pid ${own}.pid;"`;
  return ['sh', '-c', script, 'sh', ...nginxHome().command, '-p', `${folder}/`, '-e', `${folder}/error.log`];
}

function backendConf(folder: string, small: boolean): string {
  return `worker_processes 1;
${small ? 'master_process off;' : ''}
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections ${small ? 512 : 16384}; }
http {
${temporaryPaths(folder)}
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    open_file_cache max=10;
    server {
        listen 127.0.0.1:@PORT@ backlog=4096;
        root ${folder}/files;
        add_header X-Color '@COLOR@';
        location / { return 200 '${SMALL}'; }
        location = /health { return 200; }
        location = /large { }
    }
}
`;
}

/** nginx as Debian builds it has folders of its own for these, which do not exist here. */
export function temporaryPaths(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `    ${name}_temp_path ${folder}/${name};`)
    .join('\n');
}
