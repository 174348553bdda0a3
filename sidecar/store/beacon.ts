import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Milliseconds that the kernel may take to say whether somebody listens. */
const PATIENCE = 2000;

/** A socket in a folder that lives exactly as long as its process: seen also from another container, where no pid means anything. */
export interface Beacon {
  /** The file's name in the folder. */
  name: string;
  end(): Promise<void>;
}

export async function lightBeacon(folder: string): Promise<Beacon> {
  const name = `owner-${randomBytes(4).toString('hex')}.sock`;
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(join(folder, name), resolve);
  });
  const end = async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(join(folder, name), { force: true });
  };
  return { name, end };
}

/** Does the process still live that has lit it? A folder that cannot be asked counts as yes. */
export function isLit(folder: string, name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(folder, name));
    const answer = (lit: boolean) => {
      socket.destroy();
      resolve(lit);
    };
    socket.setTimeout(PATIENCE, () => answer(true));
    socket.once('connect', () => answer(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => answer(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
