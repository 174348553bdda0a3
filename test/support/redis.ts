import { type Binaries, Folder, Server } from './debian.ts';
import { freePort } from './processes.ts';

const PASSWORD = 'red/is pass';

/** A Redis of its own that keeps nothing on disk: a port of 127.0.0.1 that stays over every stop and start, a password. */
export class Redis extends Server {
  private constructor(
    command: string[],
    private readonly home: Folder,
    readonly port: number,
  ) {
    super({ command, end: 'SIGTERM' }, home);
  }

  static async start({ redis }: Binaries): Promise<Redis> {
    const folder = await Folder.create();
    try {
      const port = await freePort();
      const settings = ['--dir', folder.path, '--save', '', '--appendonly', 'no', '--requirepass', PASSWORD];
      const server = new Redis([redis, '--bind', '127.0.0.1', '--port', String(port), ...settings], folder, port);
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
    return `redis://:${encodeURIComponent(password)}@127.0.0.1:${this.port}`;
  }

  async destroy(): Promise<void> {
    await this.kill();
    await this.home.remove();
  }
}
