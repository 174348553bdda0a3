/** Milliseconds before a dead replica is started again: doubled with each death, forgotten after it lived for a minute. */
const FIRST = 500;
const LONGEST = 30_000;
const FORGIVEN = 60_000;
/** Deaths in a row that make a crash loop. */
const LOOP = 5;

interface Rest {
  count: number;
  last: number;
}

/** How long a slot whose replica keeps dying rests before it is started again, and how often each deployment's died. */
export class Revivals {
  private readonly rests = new Map<string, Rest>();
  private readonly byDeployment = new Map<string, number>();

  /** Answers whether this is a crash loop by now. */
  revived(slot: string, deployment: string, now: number): boolean {
    const before = this.rests.get(slot);
    const count = before && now - before.last < FORGIVEN ? before.count + 1 : 1;
    this.rests.set(slot, { count, last: now });
    this.byDeployment.set(deployment, this.countOf(deployment) + 1);
    return count >= LOOP;
  }

  /** Replicas of a deployment that were started again. */
  countOf(deployment: string): number {
    return this.byDeployment.get(deployment) ?? 0;
  }

  resting(now: number): Set<string> {
    const slots = [...this.rests].filter(([, { count, last }]) => now - last < Math.min(FIRST * 2 ** (count - 1), LONGEST));
    return new Set(slots.map(([slot]) => slot));
  }

  /** Slots that have died so often in a row that somebody should look. */
  loops(now: number): Set<string> {
    return new Set([...this.rests].filter(([, { count, last }]) => count >= LOOP && now - last < FORGIVEN).map(([slot]) => slot));
  }
}
