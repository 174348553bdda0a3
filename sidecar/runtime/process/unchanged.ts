import type { Stats } from 'node:fs';
import { statSync } from 'node:fs';

/**
 * Milliseconds for which something that has changed is read anew each time: within one step of its file system's clock (some
 * milliseconds, on old ones up to 2 s) a further change would not be seen by the time.
 */
const SETTLED = 3000;

/** What was read of a path, for as long as it is the same file or folder as then, whoever changes it. */
export class Unchanged<T> {
  readonly #read: (path: string) => Promise<T>;
  readonly #now: () => number;
  readonly #kept = new Map<string, { stat: Stats; value: T }>();

  /** `now` in milliseconds since 1970. */
  constructor(read: (path: string) => Promise<T>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  async get(path: string): Promise<T> {
    // Before the reading: what is read may be newer than its stamp, and is then read once more, but never older.
    const stat = statOf(path);
    const kept = this.#kept.get(path);
    if (kept && stat && isSame(kept.stat, stat)) return kept.value;
    this.#kept.delete(path);
    const settled = stat !== undefined && this.#now() - stat.ctimeMs > SETTLED;
    const value = await this.#read(path);
    if (settled) this.#kept.set(path, { stat, value });
    return value;
  }
}

/** Synchronous, since it takes some 3 us, and a way through the thread pool ten times that. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // Whoever reads it will say why.
    return undefined;
  }
}

/** Of the times only that of the change is nobody's to set. */
function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.ctimeMs === other.ctimeMs && one.size === other.size && one.dev === other.dev;
}
