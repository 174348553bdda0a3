import { COLORS, type Color } from '../../njs/route.ts';
import type { ColorTraffic, Traffic } from '../../njs/traffic.ts';

/** What the gateway had counted at one moment, small enough for the journal. */
export interface Mark {
  epoch: string;
  colors: Record<Color, Counts>;
}

export interface Counts {
  /** By status class. */
  finished: Record<string, number>;
  /** By duration bucket, not cumulated; the last is everything slower than the last bound. */
  durations: number[];
  failedOver: number;
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

function minus(after: Counts, before: Counts): Counts {
  const finished = Object.entries(after.finished).map(([status, count]) => [status, count - (before.finished[status] ?? 0)]);
  return {
    finished: Object.fromEntries(finished),
    durations: after.durations.map((count, index) => count - (before.durations[index] ?? 0)),
    failedOver: after.failedOver - before.failedOver,
  };
}

/** All that ended in a color, also what the other one took over. */
export function total(counts: Counts): number {
  return Object.values(counts.finished).reduce((sum, count) => sum + count, counts.failedOver);
}

/** Errors of a color: its 5xx, and what had to be taken over from it. */
export function errors(counts: Counts): number {
  return (counts.finished['5xx'] ?? 0) + counts.failedOver;
}

/** Requests slower than `limit` milliseconds; a limit between two bounds counts as the next one. */
export function slower(counts: Counts, bounds: readonly number[], limit: number): number {
  const within = bounds.findIndex((bound) => bound >= limit);
  if (within < 0) return counts.durations[bounds.length] ?? 0;
  return counts.durations.slice(within + 1).reduce((sum, count) => sum + count, 0);
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
