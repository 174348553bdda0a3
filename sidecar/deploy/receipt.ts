import type { Counts } from '../../njs/conviction.ts';
import { otherColor } from '../../njs/route.ts';
import { BUCKETS } from '../../njs/traffic.ts';
import type { Deployment, DeploymentFacts, Quantiles, Receipt } from '../store/deployment.ts';
import { type Mark, quantile, since, sumOf } from '../watch/counts.ts';

/** What a deployment's end is told with; `end` is what the gateway has counted by then, null when it does not tell. */
export function receiptOf(deployment: Deployment, facts: DeploymentFacts, end: Mark | null, inconclusive: boolean): Receipt {
  const { accepted, switched } = facts;
  const whole = end && since(accepted, end);
  const before = switched && since(accepted, switched)[otherColor(deployment.color)];
  const after = end && switched && since(switched, end)[deployment.color];
  return {
    requests: { blue: whole?.blue.finished ?? {}, green: whole?.green.finished ?? {} },
    failed: whole ? sumOf(whole, (counts) => counts.finished['5xx'] ?? 0) : 0,
    failedOver: whole ? sumOf(whole, (counts) => counts.failedOver) : 0,
    switchedAfterMs: facts.switchedAfterMs,
    switchMs: facts.switchMs,
    longestGapMs: facts.longestGapMs,
    latency: { before: quantiles(before), after: quantiles(after) },
    inconclusive,
    gatewayRestarted: end !== null && accepted !== null && accepted.epoch !== end.epoch,
    retired: null,
  };
}

function quantiles(counts: Counts | null): Quantiles {
  const of = (share: number) => {
    const bound = counts && quantile(counts, BUCKETS, share);
    return bound === null || bound === Number.POSITIVE_INFINITY ? null : bound;
  };
  return { p50: of(0.5), p95: of(0.95), p99: of(0.99) };
}
