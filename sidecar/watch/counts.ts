import { type Counts, minus } from '../../njs/conviction.ts';
import { COLORS, type Color } from '../../njs/route.ts';
import type { ColorTraffic, Traffic } from '../../njs/traffic.ts';

/** What the gateway had counted at one moment, small enough for the journal. */
export interface Mark {
  epoch: string;
  colors: Record<Color, Counts>;
}

export function markOf(traffic: Traffic): Mark {
  return { epoch: traffic.epoch, colors: { blue: countsOf(traffic.colors.blue), green: countsOf(traffic.colors.green) } };
}

function countsOf({ finished, durations, failedOver }: ColorTraffic): Counts {
  return { finished: { ...finished }, durations: [...durations], failedOver };
}

/** What was counted in between. After a restart of nginx the counters began anew: then it is what came since that. */
export function since(before: Mark | null, after: Mark): Record<Color, Counts> {
  const known = before?.epoch === after.epoch ? before : null;
  const of = (color: Color) => (known ? minus(after.colors[color], known.colors[color]) : after.colors[color]);
  return { blue: of('blue'), green: of('green') };
}

/** Upper bound of the bucket in which that share of requests has ended; null without requests, Infinity in the last bucket. */
export function quantile(counts: Counts, bounds: readonly number[], share: number): number | null {
  const all = counts.durations.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let reached = 0;
  for (const [index, count] of counts.durations.entries()) {
    reached += count;
    if (reached >= share * all) return bounds[index] ?? Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

export function sumOf(counts: Record<Color, Counts>, of: (counts: Counts) => number): number {
  return COLORS.reduce((sum, color) => sum + of(counts[color]), 0);
}
