import { readdirSync, readFileSync } from 'node:fs';

import type { ProcessIdentity } from '../../process-identity.ts';

export interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  startTime: string;
  /** Ended, and not yet waited for. */
  zombie: boolean;
  /** Clock ticks that it has used, and those of its children that it has waited for. */
  ticks: number;
}

/** All processes at one moment. */
export class ProcessTable {
  /** Milliseconds on the monotonic clock. */
  readonly takenAt = performance.now();
  readonly #byPid = new Map<number, ProcessEntry>();
  readonly #children = new Map<number, ProcessEntry[]>();
  readonly #groups = new Map<number, ProcessEntry[]>();

  constructor() {
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      const entry = Number.isInteger(pid) ? readEntry(pid) : null;
      if (!entry) continue;
      this.#byPid.set(pid, entry);
      append(this.#children, entry.parent, entry);
      append(this.#groups, entry.group, entry);
    }
  }

  has({ pid, startTime }: ProcessIdentity): boolean {
    return this.#byPid.get(pid)?.startTime === startTime;
  }

  /** The group that it leads, and all descendants, wherever they are. It has to be in this table. */
  tree({ pid }: ProcessIdentity): ProcessEntry[] {
    const found = new Set([this.#byPid.get(pid)!, ...(this.#groups.get(pid) ?? [])]);
    // A set that grows is walked to its end, what was added meanwhile included.
    for (const entry of found) {
      for (const child of this.#children.get(entry.pid) ?? []) found.add(child);
    }
    return [...found];
  }
}

/** By proc(5), counted from 1. */
const PARENT = 4;
const GROUP = 5;
const UTIME = 14;
const CSTIME = 17;
const START_TIME = 22;

function readEntry(pid: number): ProcessEntry | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The name, second and in parentheses, may hold anything: fields are counted from the third on.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => fields[number - 3] ?? '';
  const times = fields.slice(UTIME - 3, CSTIME - 3 + 1).map(Number);
  return {
    pid,
    parent: Number(field(PARENT)),
    group: Number(field(GROUP)),
    startTime: field(START_TIME),
    zombie: /^[ZXx]$/.test(fields[0] ?? ''),
    ticks: times.reduce((sum, one) => sum + one, 0),
  };
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const present = map.get(key);
  if (present) present.push(value);
  else map.set(key, [value]);
}
