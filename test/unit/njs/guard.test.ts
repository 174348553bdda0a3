import { describe, expect, test } from 'vitest';
import { breach, type Guard, guardProblem, movedBack, watches } from '../../../njs/guard.ts';
import { routeProblem } from '../../../njs/route.ts';
import type { Traffic } from '../../../njs/traffic.ts';
import { routeTo, warm } from '../../support/builders.ts';
import { traffic } from '../../support/builders-gateway.ts';

const NOW = 1_000_000;
const route = routeTo('green', { blue: warm('v1'), green: { ...warm('v2'), ready: true }, generation: 5 });
const guard: Guard = {
  service: 'backend',
  deployment: 'd1',
  generation: 5,
  color: 'green',
  fallback: 'blue',
  until: NOW + 1000,
  limits: { minRequests: 50, maxErrorRate: 0.01, maxP99: null },
  epoch: 'first',
  baseline: { finished: { '2xx': 10, '5xx': 90 }, durations: [100], failedOver: 0 },
  fired: null,
};

/** Green has finished these; nothing before it was failed over. */
function finished(counts: Record<string, number>, epoch = 'first'): Traffic {
  const seen = traffic({ blue: 0, green: 0 });
  return { ...seen, epoch, colors: { ...seen.colors, green: { ...seen.colors.green, finished: counts, durations: [0] } } };
}

describe('a guard', () => {
  test('watches the route of its generation, for its time', () => {
    expect(watches(guard, route, NOW)).toBe(true);
    expect(watches(guard, route, guard.until)).toBe(false);
    expect(watches({ ...guard, generation: 6 }, route, NOW)).toBe(false);
    expect(watches(guard, { ...route, generation: 6 }, NOW)).toBe(false);
    expect(watches(guard, null, NOW)).toBe(false);
  });

  test('does nothing where nobody could take the traffic, or once it has fired', () => {
    expect(watches(guard, { ...route, colors: { ...route.colors, blue: { slots: [], release: null, ready: false } } }, NOW)).toBe(
      false,
    );
    const fired = { reason: 'error-rate', message: 'x', at: '2026-01-01T00:00:00.000Z', generation: 6 };
    expect(watches({ ...guard, fired }, route, NOW)).toBe(false);
  });

  test('judges only what came after its baseline', () => {
    expect(breach(guard, finished({ '2xx': 110, '5xx': 90 }))).toBeNull();
    expect(breach(guard, finished({ '2xx': 80, '5xx': 120 }))).toEqual({
      reason: 'error-rate',
      message: '30 of 100 requests failed (30 %), the limit is 1 %',
    });
  });

  test('judges everything after a restart of nginx, whose counters begin anew', () => {
    expect(breach(guard, finished({ '2xx': 70, '5xx': 30 }, 'second'))).toMatchObject({ reason: 'error-rate' });
    expect(breach(guard, finished({ '2xx': 100 }, 'second'))).toBeNull();
  });

  test('moves all traffic back and takes the readiness of the convicted color in one write', () => {
    const moved = movedBack(guard, route, '2026-01-01T00:00:00.000Z');
    expect(routeProblem(moved)).toBeNull();
    expect(moved).toMatchObject({ active: 'blue', weights: { blue: 100, green: 0 }, generation: 6, changedBy: 'guard' });
    expect([moved.colors.blue, moved.colors.green.ready]).toEqual([route.colors.blue, false]);
  });
});

test.each([
  [null, 'expected a JSON object'],
  [{ deployment: 7 }, 'deployment is 7, expected its id'],
  [{ generation: -1 }, 'generation is -1, expected a whole number'],
  [{ color: 'red' }, 'color is "red", expected "blue" or "green"'],
  [{ fallback: 'green' }, 'fallback is "green", expected the other color than green'],
  [{ until: 'soon' }, 'until is "soon", expected milliseconds since 1970'],
  [{ epoch: null }, 'epoch is null, expected that of the traffic'],
  [{ limits: { ...guard.limits, minRequests: 0 } }, 'limits.minRequests is 0, expected a whole number above 0'],
  [{ limits: { ...guard.limits, maxErrorRate: 2 } }, 'limits.maxErrorRate is 2, expected a share from 0 to 1'],
  [{ limits: { ...guard.limits, maxP99: 0 } }, 'limits.maxP99 is 0, expected milliseconds above 0, or null'],
  [{ baseline: {} }, 'baseline is not what GET /v1/traffic tells of a color'],
])('%j is no guard', (change, problem) => {
  expect(guardProblem(guard)).toBeNull();
  expect(guardProblem(change && { ...guard, ...change })).toBe(problem);
});
