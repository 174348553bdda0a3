/** What `judge` says: right or wrong color, or nothing was expected of it. */
export type Verdict = 'right' | 'stale' | 'unchecked';

interface Acknowledgment {
  readonly color: string;
  readonly at: number;
}

/** What a request must remember about the moment it started. Opaque; made by `began`, handed back to `judge`. */
export interface Beginning {
  readonly at: number;
  readonly acknowledged: Acknowledgment | null;
}

/**
 * Knows which color may answer a request. Time is the order of events, not a clock: everything happens in one process, and
 * a clock would leave open what came first within its resolution.
 *
 * A request that started after the acknowledgment of color X (the last one before its start) and is answered by Y is stale,
 * unless a flip toward Y was started between that acknowledgment and the end of the answer. Flips one at a time: one that is
 * still under way when another is acknowledged counts as over. Before the first acknowledgment any color is right.
 */
export class ColorExpectation {
  #now: Beginning = { at: 0, acknowledged: null };
  /** The latest flip toward each color; earlier ones can't matter to a request that has not ended yet. */
  readonly #flips = new Map<string, number>();
  #lastAnyAt = 0;

  /** A flip to this color has been acknowledged now. Ends `anyColor` for requests that start from now on. */
  expectColor(color: string): void {
    const at = this.#now.at + 1;
    this.#now = { at, acknowledged: { color, at } };
  }

  /** A flip to this color is being asked for from now on. */
  flipStarted(color: string): void {
    this.#now = { at: this.#now.at + 1, acknowledged: this.#now.acknowledged };
    this.#flips.set(color, this.#now.at);
  }

  /** From now until the next `expectColor` any color is right, also for a request that merely touches that time. */
  anyColor(): void {
    this.#lastAnyAt = this.#now.at + 1;
    this.#now = { at: this.#lastAnyAt, acknowledged: null };
  }

  /** A request starts now. */
  began(): Beginning {
    return this.#now;
  }

  /** The answer to a request that started at `beginning` ends now. */
  judge(beginning: Beginning, answeredBy: string): Verdict {
    const expected = beginning.acknowledged;
    if (expected === null || this.#lastAnyAt > beginning.at) return 'unchecked';
    if (answeredBy === expected.color) return 'right';
    return (this.#flips.get(answeredBy) ?? -1) > expected.at ? 'right' : 'stale';
  }
}
