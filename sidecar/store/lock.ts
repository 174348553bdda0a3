import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TurnoutError } from '../errors.ts';
import { identify, isAlive, type ProcessIdentity } from '../process-identity.ts';

interface Owner extends ProcessIdentity {
  /** ISO 8601 */
  since: string;
}

/**
 * Makes this process the only sidecar of the state folder; rejects with `state-locked` naming the owner. The lock of a
 * dead owner is taken over by whoever is first to move exactly that lock aside.
 */
export async function lockState(state: string): Promise<() => Promise<void>> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const file = join(state, 'lock');
  const identity = identify(process.pid);
  if (!identity) throw new TurnoutError('internal', 'this process is not in /proc');
  const mine = JSON.stringify({ ...identity, since: new Date().toISOString() } satisfies Owner);
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, mine, { mode: 0o600 });
  try {
    while (!(await linked(fresh, file))) {
      const text = await readFile(file, 'utf8').catch(() => '');
      const owner = parse(text);
      if (owner && isAlive(owner)) {
        throw new TurnoutError(
          'state-locked',
          `${state} belongs to the sidecar with pid ${owner.pid}, which runs since ${owner.since}`,
        );
      }
      await breakLock(file, text);
    }
  } finally {
    await rm(fresh, { force: true });
  }
  return async () => {
    if ((await readFile(file, 'utf8').catch(() => '')) === mine) await rm(file, { force: true });
  };
}

async function linked(fresh: string, file: string): Promise<boolean> {
  try {
    await link(fresh, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead owner's lock aside. If it was another's by then, that one gets its lock back. */
async function breakLock(file: string, dead: string): Promise<void> {
  const aside = `${file}.dead.${process.pid}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== dead) await linked(aside, file);
  await rm(aside, { force: true });
}

function parse(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return null;
  }
}
