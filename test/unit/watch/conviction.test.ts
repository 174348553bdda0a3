import { describe, expect, test } from 'vitest';
import { type Counts, convict, slower, wilsonLower } from '../../../njs/conviction.ts';
import { BUCKETS } from '../../../njs/traffic.ts';
import { since } from '../../../sidecar/watch/counts.ts';

const LIMITS = { minRequests: 50, maxErrorRate: 0.01, maxP99: null };

function counts(total: number, { failed = 0, failedOver = 0, slow = 0 } = {}): Counts {
  const durations = BUCKETS.map(() => 0).concat(slow);
  durations[0] = total - slow;
  return { finished: { '2xx': total - failed, '5xx': failed }, durations, failedOver };
}

describe('the lower bound of a share', () => {
  test.each([
    [0, 0, 0],
    [0, 100, 0],
    [1, 1, 0.0948],
    [20, 100, 0.1052],
    [200, 1000, 0.1639],
    [2, 100, 0.0028],
  ])('%d of %d: %d', (hits, count, lower) => {
    expect(wilsonLower(hits, count)).toBeCloseTo(lower, 3);
  });
});

describe('conviction', () => {
  test('fewer requests than minRequests convict nobody, whatever they answered', () => {
    expect(convict(counts(49, { failed: 49 }), LIMITS)).toBeNull();
    expect(convict(counts(50, { failed: 50 }), LIMITS)).toMatchObject({ reason: 'error-rate' });
  });

  test('two errors of a hundred may be chance: a share over the limit alone does not convict', () => {
    expect(convict(counts(100, { failed: 2 }), LIMITS)).toBeNull();
    expect(convict(counts(10_000, { failed: 200 }), LIMITS)).toMatchObject({ reason: 'error-rate' });
  });

  test('what had to be taken over counts as an error', () => {
    expect(convict(counts(100, { failedOver: 20 }), LIMITS)).toMatchObject({ reason: 'error-rate' });
  });

  test('a p99 over its limit convicts once it is no chance', () => {
    const limits = { ...LIMITS, maxP99: 100 };
    expect(convict(counts(100, { slow: 2 }), limits)).toBeNull();
    expect(convict(counts(100, { slow: 20 }), limits)).toMatchObject({ reason: 'p99' });
    expect(convict(counts(100, { slow: 20 }), LIMITS)).toBeNull();
  });
});

test('a limit between two bounds counts as the next one', () => {
  const durations = BUCKETS.map((_, index) => 10 ** index).concat(0);
  const all = { finished: {}, durations, failedOver: 0 };
  const over = (bound: number) => durations.slice(BUCKETS.indexOf(bound) + 1).reduce((sum, count) => sum + count, 0);
  expect(slower(all, BUCKETS, 100)).toBe(over(160));
  expect(slower(all, BUCKETS, 160)).toBe(over(160));
});

test('since a mark of an epoch before, everything counts', () => {
  const colors = (total: number) => ({ blue: counts(total), green: counts(0) });
  const after = { epoch: 'b', colors: colors(10) };
  expect(since({ epoch: 'b', colors: colors(4) }, after).blue.finished['2xx']).toBe(6);
  expect(since({ epoch: 'a', colors: colors(4) }, after).blue.finished['2xx']).toBe(10);
});
