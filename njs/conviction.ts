/**
 * Whether what nginx counted for a color convicts it. njs and the sidecar compile this same file; see route.ts for what
 * it may use.
 */
import { BUCKETS } from './traffic.ts';

/** What was counted for a color between two moments. */
export interface Counts {
  /** By status class. */
  finished: { [statusClass: string]: number };
  /** By duration bucket, not cumulated; the last is everything slower than the last bound. */
  durations: number[];
  failedOver: number;
}

export interface Limits {
  /** Fewer finished requests convict nobody. */
  minRequests: number;
  /** Share of 5xx from 0 to 1. */
  maxErrorRate: number;
  /** Milliseconds; null: not judged. */
  maxP99: number | null;
}

export interface Breach {
  /** A stable code. */
  reason: string;
  /** With the number that convicted, and its limit. */
  message: string;
}

/** One-sided 99.9 %. */
const Z = 3.0902;
/** A p99 over its limit is more than this share of requests slower than it. */
const SLOW_SHARE = 0.01;

/** Lower bound of the true share behind `hits` of `count`, by Wilson's score interval. */
export function wilsonLower(hits: number, count: number): number {
  if (count === 0) return 0;
  const share = hits / count;
  const z2 = Z * Z;
  const centre = share + z2 / (2 * count);
  const spread = Z * Math.sqrt((share * (1 - share) + z2 / (4 * count)) / count);
  return (centre - spread) / (1 + z2 / count);
}

/** Enough requests, and even the lower bound is over the limit: null otherwise. */
export function convict(counts: Counts, limits: Limits): Breach | null {
  const count = total(counts);
  if (count < limits.minRequests) return null;
  const failed = errors(counts);
  if (wilsonLower(failed, count) > limits.maxErrorRate) {
    const message = `${failed} of ${count} requests failed (${percent(failed / count)}), the limit is ${percent(limits.maxErrorRate)}`;
    return { reason: 'error-rate', message };
  }
  if (limits.maxP99 === null) return null;
  const slow = slower(counts, BUCKETS, limits.maxP99);
  if (wilsonLower(slow, count) <= SLOW_SHARE) return null;
  const message = `${slow} of ${count} requests (${percent(slow / count)}) took longer than the p99 limit of ${limits.maxP99} ms; 1 % may`;
  return { reason: 'p99', message };
}

/** What was counted in between. */
export function minus(after: Counts, before: Counts): Counts {
  const finished: Counts['finished'] = {};
  Object.keys(after.finished).forEach((status) => {
    finished[status] = (after.finished[status] as number) - (before.finished[status] || 0);
  });
  return {
    finished,
    durations: after.durations.map((count, index) => count - (before.durations[index] || 0)),
    failedOver: after.failedOver - before.failedOver,
  };
}

/** All that ended in a color, also what the other one took over. */
export function total(counts: Counts): number {
  return Object.keys(counts.finished).reduce((sum, status) => sum + (counts.finished[status] as number), counts.failedOver);
}

/** Errors of a color: its 5xx, and what had to be taken over from it. */
export function errors(counts: Counts): number {
  return (counts.finished['5xx'] || 0) + counts.failedOver;
}

/** Requests slower than `limit` milliseconds; a limit between two bounds counts as the next one. */
export function slower(counts: Counts, bounds: readonly number[], limit: number): number {
  const within = bounds.findIndex((bound) => bound >= limit);
  if (within < 0) return counts.durations[bounds.length] || 0;
  return counts.durations.slice(within + 1).reduce((sum, count) => sum + count, 0);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
