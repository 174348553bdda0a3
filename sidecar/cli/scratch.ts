import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** nginx' sockets lie in it, and their paths must fit: a temp folder with a longer path is not used. */
const LONGEST = 30;

/** A folder of our own, removed whatever happens. */
export async function withScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const base = Buffer.byteLength(tmpdir()) > LONGEST ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(base, 'turnout-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
