import type { Clock } from '../clock.ts';
import type { Resources } from '../runtime/resources.ts';
import type { ResourceReport } from './report.ts';

/**
 * Milliseconds that the processor's share is averaged over, and readings that it takes at least: each covers the time since the
 * one before, and of those that come every 4 s two always lie within.
 */
const CPU = 10_000;
const CPU_READINGS = 2;
/**
 * A leak: so many readings so far apart, each higher than the one before by this share of the first and this many bytes. The monitor
 * takes one every 4 s, punctual to some milliseconds: every second one has to be far enough.
 */
const READINGS = 5;
const APART = 7500;
const GROWTH_SHARE = 0.04;
const GROWTH_BYTES = 6 * 1024 ** 2;
/** Milliseconds of a replica's life in which it may grow: caches fill, code is compiled. */
const WARM_UP = 10_000;

interface Reading extends Resources {
  at: number;
}

/** What one replica used lately. */
export class Usage {
  private readings: Reading[] = [];

  /** `age`: milliseconds that the replica runs already. */
  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly age: number,
    private readonly born = clock.now(),
  ) {}

  take(used: Resources): void {
    const now = this.clock.now();
    this.readings.push({ ...used, at: now });
    while (this.readings[0] && this.readings[0].at < now - READINGS * APART) this.readings.shift();
  }

  report(): ResourceReport {
    const from = this.clock.now() - CPU;
    const cpus = this.readings.filter((one) => one.at >= from && one.cpu !== null).map((one) => one.cpu as number);
    const mean = cpus.reduce((sum, one) => sum + one, 0) / cpus.length;
    return {
      cpu: cpus.length < CPU_READINGS ? null : mean,
      memory: this.readings.at(-1)?.memory ?? null,
      growth: this.growth(),
    };
  }

  /** Bytes a minute. Only what keeps on growing evenly: whoever fills a cache slows down, and a collector of garbage goes back. */
  private growth(): number | null {
    const last = this.readings.at(-1);
    if (!last) return null;
    const chosen = [last];
    for (const one of [...this.readings].reverse()) {
      if (chosen.length < READINGS && one.at <= (chosen[0] as Reading).at - APART) chosen.unshift(one);
    }
    const [first] = chosen as [Reading];
    if (chosen.length < READINGS || first.at - this.born + this.age < WARM_UP) return null;
    const steps = chosen.slice(1).map((one, index) => one.memory - (chosen[index] as Reading).memory);
    const mean = (last.memory - first.memory) / steps.length;
    const least = Math.max(GROWTH_BYTES, GROWTH_SHARE * first.memory, mean / 2);
    if (steps.some((step) => step < least)) return null;
    return ((last.memory - first.memory) / (last.at - first.at)) * 60_000;
  }
}
