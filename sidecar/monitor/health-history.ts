import type { Clock } from '../clock.ts';
import type { HealthPorts } from '../health/watch.ts';
import type { Checks } from './report.ts';

/** Milliseconds that are remembered, in parts of a second each. */
const KEPT = 5 * 60_000;
const PART = 1000;

interface Part extends Checks {
  /** Milliseconds of the clock, in whole parts. */
  at: number;
}

interface Ring {
  /** Of the watch that asks: another one is another replica. */
  watch: AbortSignal;
  parts: Part[];
  /** Null before the first good answer: whoever is starting up does not fail. */
  well: boolean | null;
}

/** What the health checks of each address have come to lately. Listens to the checks that are made anyway. */
export class HealthHistory {
  private readonly rings = new Map<string, Ring>();

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** The same check, with its verdicts remembered. One signal stands for one watch, and so for one replica. */
  remembering(check: HealthPorts['check']): HealthPorts['check'] {
    return async (address, health, watch) => {
      const verdict = await check(address, health, watch);
      if (!watch.aborted && !verdict.unasked) this.note(address, watch, verdict.ok);
      return verdict;
    };
  }

  /** Of the replica that was checked there last. */
  of(address: string): Checks {
    const from = this.clock.now() - KEPT;
    const parts = (this.rings.get(address)?.parts ?? []).filter((one) => one.at + PART > from);
    const sum = (key: keyof Checks) => parts.reduce((all, one) => all + one[key], 0);
    return { ok: sum('ok'), total: sum('total'), flaps: sum('flaps') };
  }

  private note(address: string, watch: AbortSignal, ok: boolean): void {
    let ring = this.rings.get(address);
    if (ring?.watch !== watch) {
      ring = { watch, parts: [], well: null };
      this.rings.set(address, ring);
    }
    if (ring.well === null && !ok) return;
    const part = this.part(ring);
    part.total += 1;
    if (ok) part.ok += 1;
    else if (ring.well) part.flaps += 1;
    ring.well = ok;
  }

  private part({ parts }: Ring): Part {
    const now = this.clock.now();
    const at = Math.floor(now / PART) * PART;
    const last = parts.at(-1);
    if (last?.at === at) return last;
    const part = { at, ok: 0, total: 0, flaps: 0 };
    parts.push(part);
    while (parts[0] && parts[0].at + PART <= now - KEPT) parts.shift();
    return part;
  }
}
