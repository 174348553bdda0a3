import { beforeEach, expect, test } from 'vitest';
import type { Color } from '../../../njs/route.ts';
import { BUCKETS, type Traffic } from '../../../njs/traffic.ts';
import { Marks } from '../../../sidecar/monitor/marks.ts';
import { markOf } from '../../../sidecar/watch/counts.ts';
import { FakeClock } from '../../support/clock.ts';

const LIMITS = { minRequests: 50, maxErrorRate: 0.01, maxP99: 100 };

let clock: FakeClock;
let marks: Marks;
let counted: Record<Color, { ok: number; failed: number; over: number; bucket: number[] }>;
let epoch: string;

beforeEach(() => {
  clock = new FakeClock();
  marks = new Marks(clock);
  const none = () => ({ ok: 0, failed: 0, over: 0, bucket: [...BUCKETS.map(() => 0), 0] });
  counted = { blue: none(), green: none() };
  epoch = 'first';
});

/** So many more requests have ended in green, in the bucket of that index. */
function finish(ok: number, failed = 0, bucket = 0): void {
  counted.green.ok += ok;
  counted.green.failed += failed;
  counted.green.bucket[bucket] = (counted.green.bucket[bucket] ?? 0) + ok + failed;
}

function traffic(): Traffic {
  const of = ({ ok, failed, over, bucket }: (typeof counted)['blue']) => ({
    inFlight: 3,
    started: ok + failed,
    finished: { '2xx': ok, '5xx': failed },
    durations: [...bucket],
    failedOver: over,
    inFlightBySet: {},
  });
  return { service: 'backend', epoch, buckets: BUCKETS, colors: { blue: of(counted.blue), green: of(counted.green) } };
}

/** As the monitor does it: a mark every 2 s. */
function pass(seconds: number, each: () => void = () => {}): void {
  for (let at = 0; at < seconds; at += 2) {
    marks.take(traffic());
    each();
    clock.advance(2000);
  }
}

const report = (switched: Parameters<Marks['report']>[2] = null) => marks.report(traffic(), 'green', switched, LIMITS);

test('rates are those of the last minute, in numbers of nginx', () => {
  pass(120, () => finish(0, 10));
  pass(60, () => finish(198, 2, 3));
  const { inFlight, lastMinute, breach } = report();
  expect(inFlight).toBe(3);
  expect(lastMinute).toEqual({
    seconds: 60,
    requests: 6000,
    perSecond: 100,
    failed: 60,
    failedShare: 0.01,
    failedOver: 0,
    p50: 40,
    p95: 40,
    p99: 40,
  });
  expect(breach).toBeNull();
});

test('a share of errors, and of slow answers, convicts as it does in a bake', () => {
  marks.take(traffic());
  finish(80, 20);
  expect(report().breach).toMatchObject({ reason: 'error-rate', message: expect.stringContaining('20 of 100') });
  marks = new Marks(clock);
  marks.take(traffic());
  finish(100, 0, 7);
  expect(report().breach).toMatchObject({ reason: 'p99' });
});

test('too few requests convict nobody', () => {
  marks.take(traffic());
  finish(0, 49);
  expect(report()).toMatchObject({ breach: null, lastMinute: { requests: 49, failed: 49 } });
});

test('what the color answered before traffic last came to it was another release', () => {
  pass(30, () => finish(0, 100));
  const switched = { at: clock.date().toISOString(), traffic: markOf(traffic()) };
  expect(report(switched)).toMatchObject({ breach: null, lastMinute: { requests: 0 }, sinceSwitch: { requests: 0 } });
  pass(10, () => finish(100));
  expect(report(switched)).toMatchObject({
    breach: null,
    lastMinute: { seconds: 10, requests: 500, failed: 0, perSecond: 50 },
    sinceSwitch: { seconds: 10, requests: 500 },
  });
  pass(300, () => finish(100));
  expect(report(switched)).toMatchObject({
    lastMinute: { seconds: 60, requests: 3000 },
    sinceSwitch: { seconds: 310, requests: 15_500 },
  });
});

test('a switch by hand that nobody counted begins with the first mark behind it', () => {
  pass(30, () => finish(0, 100));
  const switched = { at: clock.date().toISOString(), traffic: null };
  pass(10, () => finish(10));
  expect(report(switched)).toMatchObject({ breach: null, lastMinute: { requests: 50, failed: 0 }, sinceSwitch: null });
});

test('after a restart of nginx what came since counts, without a rate that nobody knows', () => {
  pass(60, () => finish(100));
  epoch = 'second';
  counted.green = { ok: 7, failed: 0, over: 0, bucket: [7, ...BUCKETS.map(() => 0)] };
  expect(report().lastMinute).toMatchObject({ seconds: null, requests: 7, perSecond: null });
});

test('however long it runs, no more than a minute of marks is kept', () => {
  pass(3600, () => finish(1));
  expect((marks as unknown as { moments: unknown[] }).moments.length).toBeLessThanOrEqual(32);
});
