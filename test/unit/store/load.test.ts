import { expect, test } from 'vitest';
import { loadRecords } from '../../../sidecar/store/load.ts';
import { event, written } from '../../support/builders-record.ts';
import { FakeClock } from '../../support/clock.ts';

/** The monotonic clock reads 100 s, and the wall clock this many seconds after the events' first. */
const clockAt = (second: number) => new FakeClock(100_000, Date.UTC(2026, 0, 1, 0, 0, second));
const events = [written(event.accepted('d1', 'v1', 'blue'), 0), written(event.phase('d1', 'gating'), 10)];

test('a moment on disk becomes as long ago on this process clock', () => {
  expect(loadRecords(events, clockAt(30))('backend').phaseSince).toBe(80_000);
});

test('a moment before the start of the monotonic clock lies before its zero', () => {
  expect(loadRecords(events, clockAt(910))('backend').phaseSince).toBe(-800_000);
});

test('a moment that the wall clock, set back, puts into the future is now', () => {
  expect(loadRecords(events, clockAt(5))('backend').phaseSince).toBe(100_000);
});

test('a wall clock that was set forward ends a deadline at once but never makes a moment later', () => {
  const { phaseSince } = loadRecords(events, clockAt(10 + 86_400))('backend');
  expect(phaseSince).toBe(100_000 - 86_400_000);
});

test('services have records of their own', () => {
  const other = { ...written(event.accepted('d2', 'v5', 'green'), 3), service: 'frontend' };
  const records = loadRecords([...events, other], clockAt(30));
  expect(records('backend').deployments.map((one) => one.id)).toEqual(['d1']);
  expect(records('frontend').deployments.map((one) => one.id)).toEqual(['d2']);
});

test('a service without events has an empty record, the same each time', () => {
  const records = loadRecords([], clockAt(0));
  expect(records('backend').deployments).toEqual([]);
  expect(records('backend')).toBe(records('backend'));
});
