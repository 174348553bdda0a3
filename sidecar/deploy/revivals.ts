/** Milliseconds before a dead replica is started again: doubled with each death, forgotten after it lived for a minute. */
const FIRST = 500;
const LONGEST = 30_000;
const FORGIVEN = 60_000;

interface Rest {
  count: number;
  last: number;
}

/** How long a slot whose replica keeps dying rests before it is started again. */
export class Revivals {
  private readonly rests = new Map<string, Rest>();

  revived(slot: string, now: number): void {
    const before = this.rests.get(slot);
    const count = before && now - before.last < FORGIVEN ? before.count + 1 : 1;
    this.rests.set(slot, { count, last: now });
  }

  resting(now: number): Set<string> {
    const slots = [...this.rests].filter(([, { count, last }]) => now - last < Math.min(FIRST * 2 ** (count - 1), LONGEST));
    return new Set(slots.map(([slot]) => slot));
  }
}
