import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Binaries, Folder, Server } from './debian.ts';
import { freePort } from './processes.ts';

const PASSWORD = 'post/gres pass';

/** A PostgreSQL of its own: data in a temporary folder, a port of 127.0.0.1 that stays over every stop and start, a password. */
export class Postgres extends Server {
  private constructor(
    command: string[],
    private readonly home: Folder,
    readonly port: number,
  ) {
    // SIGINT is its fast shutdown: clients are disconnected; SIGTERM would wait for them.
    super({ command, end: 'SIGINT' }, home);
  }

  /** A new database cluster, running. */
  static async start({ initdb, postgres }: Binaries): Promise<Postgres> {
    const folder = await Folder.create();
    try {
      const port = await freePort();
      const data = join(folder.path, 'data');
      const secret = join(folder.path, 'password');
      await writeFile(secret, `${PASSWORD}\n`, { mode: 0o644 });
      const how = [
        '--username=postgres',
        '--auth=scram-sha-256',
        `--pwfile=${secret}`,
        '--locale=C',
        '--encoding=UTF8',
        '--no-sync',
      ];
      await folder.run([initdb, `--pgdata=${data}`, ...how]);
      const settings = { fsync: 'off', shared_buffers: '16MB', max_connections: '20', unix_socket_directories: '' };
      const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const server = new Postgres([postgres, '-D', data, '-h', '127.0.0.1', '-p', String(port), ...options], folder, port);
      await server.start();
      return server;
    } catch (error) {
      await folder.remove();
      throw error;
    }
  }

  get password(): string {
    return PASSWORD;
  }

  get url(): string {
    return this.urlWith(PASSWORD);
  }

  urlWith(password: string): string {
    return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${this.port}/postgres`;
  }

  async destroy(): Promise<void> {
    await this.kill();
    await this.home.remove();
  }
}
