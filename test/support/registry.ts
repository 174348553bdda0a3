import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { docker, split, tinyImage } from './docker.ts';
import { eventually, freePort, temporaryFolder } from './processes.ts';

const PROGRAM = '/usr/bin/docker-registry';

export const USER = { username: 'ci', password: 'correct horse' };
/** bcrypt of the password, with few rounds; the registry takes nothing else. */
const HASH = '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e';

/** Why there is no registry to test with; in CI it throws instead. */
export function registryMissing(): string | null {
  if (existsSync(PROGRAM)) return null;
  const why = `There is no ${PROGRAM}: tests with a registry are left out (Debian's docker-registry)`;
  if (process.env.CI === 'true') throw new Error(why);
  process.stderr.write(`${why}\n`);
  return why;
}

/** A private registry on a port of this machine, which the engine speaks plain HTTP with. */
export class Registry {
  readonly host: string;
  readonly folder: string;
  readonly #process: ChildProcess;

  static async start(): Promise<Registry> {
    const folder = await temporaryFolder();
    const host = `127.0.0.1:${await freePort()}`;
    await writeFile(join(folder, 'users'), `${USER.username}:${HASH}\n`);
    await mkdir(join(folder, 'data'));
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      auth: { htpasswd: { realm: 'test', path: join(folder, 'users') } },
      http: { addr: host },
    };
    // JSON is YAML, too.
    await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
    const registry = new Registry(host, folder);
    await eventually('the registry answers', () => registry.#ping());
    return registry;
  }

  private constructor(host: string, folder: string) {
    this.host = host;
    this.folder = folder;
    this.#process = spawn(PROGRAM, ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
  }

  /** A new image of that name. Answers the digest under which the registry knows it; nothing of it stays on the engine. */
  async publish(repository: string, content?: string): Promise<string> {
    const name = `${this.host}/${repository}`;
    await tinyImage(name, content);
    const [, tag] = split(name);
    const stream = await docker.getImage(name).push({ tag, authconfig: { ...USER, serveraddress: this.host } });
    const said = await text(stream);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1];
    if (!digest) throw new Error(`${name} cannot be pushed: ${said}`);
    await this.forget();
    return digest;
  }

  /** Removes from the engine all that came from here. */
  async forget(): Promise<void> {
    const images = await docker.listImages({ all: true });
    for (const { RepoTags, RepoDigests } of images) {
      for (const name of [...(RepoTags ?? []), ...(RepoDigests ?? [])].filter((one) => one.startsWith(`${this.host}/`))) {
        await docker
          .getImage(name)
          .remove()
          .catch(() => {});
      }
    }
  }

  /** Cuts the largest thing that it has stored: a layer then ends too early. */
  async spoil(): Promise<void> {
    const blobs = join(this.folder, 'data/docker/registry/v2/blobs/sha256');
    const files = (await readdir(blobs, { recursive: true }))
      .filter((path) => path.endsWith('/data'))
      .map((path) => join(blobs, path));
    const sizes = await Promise.all(files.map(async (path) => ({ path, size: (await stat(path)).size })));
    sizes.sort((a, b) => b.size - a.size);
    await truncate(sizes[0]!.path, Math.floor(sizes[0]!.size / 2));
  }

  async stop(): Promise<void> {
    await this.forget();
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    await rm(this.folder, { recursive: true });
  }

  async #ping(): Promise<boolean> {
    return new Promise((resolve) => {
      const [hostname, port] = this.host.split(':');
      request({ hostname, port, path: '/v2/' }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 401);
      })
        .on('error', () => resolve(false))
        .end();
    });
  }
}
