import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';
import type { Resources } from '../resources.ts';
import { readMemory } from './memory.ts';
import { ProcessTable } from './process-table.ts';

/** Per second: USER_HZ, which Linux shows to programs as 100 on every architecture that Node runs on. */
const TICKS = 100;
/** Milliseconds that a table of all processes serves, so that asking for all replicas in a row looks through /proc once. */
const SHARED = 250;
/** Milliseconds between two readings, at least: over less, one tick more or less would be a figure of its own. */
const SHORTEST = 100;

interface Reading {
  takenAt: number;
  ticks: number;
  cpu: number | null;
  memory: Promise<number>;
}

/**
 * Measures process trees. What belongs to one is read from the table alone: the leader's group and every descendant of it.
 * A daemon that left group and parents behind is missed; to find it by its mark would mean to read the environment
 * of every process on the machine.
 */
export class ResourceMeter {
  readonly #readings = new Map<string, Reading>();
  #table: ProcessTable | undefined;

  /** Null when the leader has ended. */
  async read(id: string, leader: ProcessIdentity): Promise<Resources | null> {
    if (!isAlive(leader)) return this.forget(id);
    const before = this.#readings.get(id);
    if (before && before.cpu !== null && performance.now() - before.takenAt < SHORTEST) return answer(before);
    const table = this.#tableFor(leader, before);
    // Ended since.
    if (!table.has(leader)) return this.forget(id);
    const tree = table.tree(leader);
    // With zombies, and with the times of children that were waited for: so the sum stays whole when a process ends.
    const ticks = tree.reduce((all, one) => all + one.ticks, 0);
    const reading: Reading = {
      takenAt: table.takenAt,
      ticks,
      cpu: before ? cores(before, ticks, table.takenAt) : null,
      memory: sum(tree.filter(({ zombie }) => !zombie).map(({ pid }) => readMemory(`/proc/${pid}`))),
    };
    this.#readings.set(id, reading);
    return answer(reading);
  }

  forget(id: string): null {
    this.#readings.delete(id);
    return null;
  }

  #tableFor(leader: ProcessIdentity, before: Reading | undefined): ProcessTable {
    const present = this.#table;
    const serves = present && performance.now() - present.takenAt < SHARED && present.takenAt !== before?.takenAt;
    if (!serves || !present.has(leader)) this.#table = new ProcessTable();
    return this.#table!;
  }
}

/** Less is used than before only when a process has ended for which nobody waited: its time is lost, not given back. */
function cores(before: Reading, ticks: number, now: number): number {
  const seconds = (now - before.takenAt) / 1000;
  return Math.max(0, ticks - before.ticks) / TICKS / seconds;
}

async function sum(parts: Promise<number>[]): Promise<number> {
  return (await Promise.all(parts)).reduce((all, one) => all + one, 0);
}

async function answer({ cpu, memory }: Reading): Promise<Resources> {
  return { cpu, memory: await memory };
}
