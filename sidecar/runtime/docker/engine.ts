import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { join } from 'node:path';
import Dockerode from 'dockerode';

import type { DockerConfig } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';

/** Milliseconds that a call may take whose answer is at hand: longer means that the engine hangs. */
const PATIENCE = 10_000;

export type EngineConfig = Pick<DockerConfig, 'socket' | 'host' | 'tls'>;

/** The way to the engine. Whatever it refuses comes back as `runtime-unusable` that says what was wanted and why not. */
export class Engine {
  /** As people write it: `unix:///var/run/docker.sock`, `tcp://10.0.0.5:2376`. */
  readonly address: string;
  readonly #config: EngineConfig;
  readonly #agent: HttpAgent;
  readonly #patience: number;
  /** With a limit per call. */
  readonly #short: Dockerode;
  /** Without one, for what answers as long as it lasts. */
  readonly #long: Dockerode;

  /** `patience`: milliseconds; default 10 s. */
  constructor(config: EngineConfig, patience = PATIENCE) {
    const { socket, host, tls } = config;
    this.#config = config;
    this.#patience = patience;
    this.address = host ? `tcp://${host.host}:${host.port}` : `unix://${socket}`;
    // A connection for each call: one that is kept may be dead by the next, and who could tell whether that one was heard?
    this.#agent = host && tls !== null ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
    const where = host
      ? { socketPath: undefined, host: host.host, port: host.port, ...(tls === null ? PLAIN : readTls(tls)) }
      : { socketPath: socket, host: undefined, port: undefined, ...PLAIN };
    // All of it is said, since dockerode takes what is not from DOCKER_HOST and its like.
    const options = { ...where, agent: this.#agent, version: undefined };
    this.#short = new Dockerode({ ...options, timeout: patience });
    this.#long = new Dockerode({ ...options, timeout: undefined });
  }

  /** One call that is answered soon, or has failed. `wanted`: what then did not work, e.g. "Container x cannot be removed". */
  async ask<T>(wanted: string, call: (docker: Dockerode) => Promise<T>): Promise<T> {
    return this.within(this.#patience, wanted, () => call(this.#short));
  }

  /** As `ask`, and answers null where there is no such thing. */
  async find<T>(wanted: string, call: (docker: Dockerode) => Promise<T>): Promise<T | null> {
    return this.ask(wanted, call).catch((error: unknown) => {
      if (refusal(error) === 404) return null;
      throw error;
    });
  }

  /** A call that takes as long as it takes; at most `limit` milliseconds until it answers, where that is given. */
  async open<T>(wanted: string, call: (docker: Dockerode) => Promise<T>, limit?: number): Promise<T> {
    if (limit !== undefined) return this.within(limit, wanted, () => call(this.#long));
    try {
      return await call(this.#long);
    } catch (error) {
      throw this.explain(wanted, error);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** In our words; what is ours already stays as it is. */
  explain(wanted: string, error: unknown): TurnoutError {
    if (error instanceof TurnoutError) return error;
    const { statusCode } = error as { statusCode?: number };
    // It speaks TLS, and says so in plain words to whoever does not.
    if (statusCode === 400 && /HTTP request to an HTTPS server/.test(wordsOf(error))) {
      return this.#away(`${wanted}: the Docker engine at ${this.address} wants TLS`, '', error);
    }
    if (statusCode !== undefined) return new TurnoutError('runtime-unusable', `${wanted}: ${wordsOf(error)}`, { cause: error });
    const { code = '', message } = error as NodeJS.ErrnoException;
    return this.#away(`${wanted}: the Docker engine at ${this.address} cannot be reached (${code || message})`, code, error);
  }

  /** Not left to dockerode alone: a call whose answer is cut in the middle never settles there. */
  async within<T>(limit: number, wanted: string, call: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#silent(wanted, limit)), limit);
    });
    try {
      return await Promise.race([call(), late]);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // dockerode's own limit shows as a connection that was reset.
      if (code === 'ECONNRESET' && performance.now() - begin > limit - 100) throw this.#silent(wanted, limit);
      throw this.explain(wanted, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #silent(wanted: string, limit: number): TurnoutError {
    return this.#away(`${wanted}: the Docker engine at ${this.address} has not answered for ${limit / 1000} s`, 'ETIMEDOUT');
  }

  #away(message: string, code: string, cause?: unknown): TurnoutError {
    return new TurnoutError('runtime-unusable', message, { hint: this.#hint(code), cause });
  }

  #hint(code: string): string {
    const { socket, host } = this.#config;
    if (code === 'ETIMEDOUT') return 'It hangs, or its machine is overloaded: `docker ps` and its log tell.';
    if (host) return 'See that it runs and listens there, and that `docker.host` and `docker.tls` in turnout.yaml are right.';
    if (code === 'EACCES') {
      return `Whoever runs the sidecar must be in the group of ${socket} (often \`docker\`; in compose: group_add).`;
    }
    return 'Start it (`systemctl start docker`), and see that `docker.socket` in turnout.yaml is its socket.';
  }
}

/** The engine's status for what it refused; null when it was not the engine that refused. */
export function refusal(error: unknown): number | null {
  const { cause } = error as { cause?: { statusCode?: number } };
  return cause?.statusCode ?? (error as { statusCode?: number }).statusCode ?? null;
}

/** The engine's own words, without what dockerode puts around them. */
export function wordsOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const { json, message } = (cause ?? error) as { json?: { message?: string } | null; message: string };
  return (json?.message ?? message.replace(/^\(HTTP code \d+\) [^-]* - /, '')).trim();
}

/** Settles when there is no more to come, for whatever reason. */
export async function streamEnd(stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('end', resolve).once('close', resolve);
    // Stays, since a stream that breaks may say so more than once.
    stream.on('error', () => resolve());
  });
}

const PLAIN = { protocol: 'http' as const, ca: undefined, cert: undefined, key: undefined };

function readTls(folder: string) {
  const read = (name: string) => {
    const path = join(folder, name);
    try {
      return readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new TurnoutError('runtime-unusable', `${path}, which \`docker.tls\` asks for, cannot be read (${code})`, {
        hint: 'The folder must hold ca.pem, cert.pem and key.pem.',
      });
    }
  };
  return { protocol: 'https' as const, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
