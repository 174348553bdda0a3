import { readlinkSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { TurnoutError } from '../errors.ts';
import { identify, isAlive, type ProcessIdentity } from '../process-identity.ts';
import { isLit, lightBeacon } from './beacon.ts';

interface Owner extends ProcessIdentity {
  /** Where the pid means something; absent in locks of earlier versions. */
  namespace?: string;
  /** Name of the socket in the state folder by which other containers see whether the owner lives. */
  beacon?: string;
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
  const beacon = await lightBeacon(state);
  const since = new Date().toISOString();
  const mine = JSON.stringify({ ...identity, namespace: pidNamespace(), beacon: beacon.name, since } satisfies Owner);
  const owner = await acquire(file, mine);
  if (owner) {
    await beacon.end();
    throw new TurnoutError(
      'state-locked',
      `${state} belongs to the sidecar with pid ${owner.pid}, which runs since ${owner.since}`,
    );
  }
  return async () => {
    if ((await readFile(file, 'utf8').catch(() => '')) === mine) await rm(file, { force: true });
    await beacon.end();
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

/** Makes `mine` the text of the lock, or answers its living owner. */
async function acquire(file: string, mine: string): Promise<Owner | null> {
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, mine, { mode: 0o600 });
  try {
    while (!(await linked(fresh, file))) {
      const text = await readFile(file, 'utf8').catch(() => null);
      if (text === null) continue;
      const owner = parse(text);
      if (owner && (await lives(dirname(file), owner))) return owner;
      if (await takenOver(file, text, fresh, mine)) return null;
    }
    return null;
  } finally {
    await rm(fresh, { force: true });
  }
}

/** Puts our lock in the place of a dead owner's by one rename, while nobody else may: there is a lock for that, too. */
async function takenOver(file: string, dead: string, fresh: string, mine: string): Promise<boolean> {
  const breaking = `${file}.breaking`;
  if (await acquire(breaking, mine)) {
    await setTimeout(5);
    return false;
  }
  try {
    if ((await readFile(file, 'utf8').catch(() => null)) !== dead) return false;
    await rename(fresh, file);
    const { beacon } = parse(dead) ?? {};
    if (beacon && basename(beacon) === beacon) await rm(join(dirname(file), beacon), { force: true });
    return true;
  } finally {
    await rm(breaking, { force: true });
  }
}

/** A pid of another container is nobody here, or a stranger: there the owner's socket tells. */
async function lives(folder: string, owner: Owner): Promise<boolean> {
  const { namespace, beacon } = owner;
  if (namespace === undefined || namespace === pidNamespace()) return isAlive(owner);
  return beacon !== undefined && isLit(folder, basename(beacon));
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function parse(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return null;
  }
}
