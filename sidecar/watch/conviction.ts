import { BUCKETS } from '../../njs/traffic.ts';
import type { BakeConfig } from '../config/config.ts';
import { type Counts, errors, slower, total } from './counts.ts';

/** One-sided 99.9 %. */
const Z = 3.0902;
/** A p99 over its limit is more than this share of requests slower than it. */
const SLOW_SHARE = 0.01;

export interface Breach {
  /** A stable code. */
  reason: string;
  /** With the number that convicted, and its limit. */
  message: string;
}

/** Lower bound of the true share behind `hits` of `count`, by Wilson's score interval. */
export function wilsonLower(hits: number, count: number): number {
  if (count === 0) return 0;
  const share = hits / count;
  const z2 = Z * Z;
  const centre = share + z2 / (2 * count);
  const spread = Z * Math.sqrt((share * (1 - share) + z2 / (4 * count)) / count);
  return (centre - spread) / (1 + z2 / count);
}

/** Whether what nginx counted for a color convicts it: enough requests, and even the lower bound is over the limit. */
export function convict(counts: Counts, limits: Pick<BakeConfig, 'minRequests' | 'maxErrorRate' | 'maxP99'>): Breach | null {
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

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
