import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { record } from '../../support/builders-record.ts';

const NOW = 1_000_000;
/** So that a color drains as soon as it lost its traffic. */
const config = serviceConfig({ keep: 0, drain: { timeout: 5000 } });
const replicas = [seen({ color: 'blue' }), seen({ color: 'green' })];
const ready = observed({ route: routeTo('green', { blue: warm('v1') }), replicas });
const unready = observed({ route: routeTo('green', { blue: { ...warm('v1'), ready: false } }), replicas });
const quiet = { blue: true, green: false };
const idle = (idleFor: number, retiringFor: number | null = null) =>
  record({
    idleSince: { blue: NOW - idleFor, green: null },
    retiringSince: { blue: retiringFor === null ? null : NOW - retiringFor, green: null },
  });

test('a color that goes loses its readiness first', () => {
  const step = decide({ ...ready, quiet }, idle(60_000), config, NOW);
  expect(step).toEqual({ do: 'retire', color: 'blue', reason: 'keep is over' });
});

test('a drain that is not recorded yet begins, even if the route says not ready already', () => {
  expect(decide({ ...unready, quiet }, idle(60_000), config, NOW)).toMatchObject({ do: 'retire' });
});

test('readiness that somebody gave back while it drains is taken again', () => {
  expect(decide({ ...ready, quiet }, idle(60_000, 4000), config, NOW)).toMatchObject({ do: 'retire' });
});

test('a color with requests in flight is left alone', () => {
  expect(decide(unready, idle(60_000, 4999), config, NOW)).toBeNull();
});

test('a quiet color leaves the route before it is stopped', () => {
  expect(decide({ ...unready, quiet }, idle(60_000, 600), config, NOW)).toEqual({ do: 'clear', color: 'blue' });
  const cleared = { ...unready, quiet, route: routeTo('green') };
  expect(decide(cleared, idle(60_000, 600), config, NOW)).toEqual({ do: 'stop', color: 'blue', replicas: ['blue-1'] });
});

test('nothing is stopped within a second of the switch, however quiet', () => {
  expect(decide({ ...unready, quiet }, idle(999, 700), config, NOW)).toBeNull();
  expect(decide({ ...unready, quiet }, idle(1000, 700), config, NOW)).toEqual({ do: 'clear', color: 'blue' });
});

test('nothing is stopped within a second of the switch, even when the drain limit has passed', () => {
  const hasty = serviceConfig({ keep: 0, drain: { timeout: 0 } });
  expect(decide(unready, idle(999, 900), hasty, NOW)).toBeNull();
});

test('the drain limit ends the wait for requests in flight', () => {
  expect(decide(unready, idle(60_000, 5000), config, NOW)).toEqual({ do: 'clear', color: 'blue' });
});

test('quiet of the other color does not count', () => {
  expect(decide({ ...unready, quiet: { blue: false, green: true } }, idle(60_000, 100), config, NOW)).toBeNull();
});

test('replicas of a color that never was in a route are drained and stopped', () => {
  const world = observed({ route: routeTo('green'), replicas });
  expect(decide(world, record(), config, NOW)).toMatchObject({ do: 'retire', color: 'blue' });
  const draining = record({ retiringSince: { blue: NOW - 600, green: null } });
  expect(decide({ ...world, quiet }, draining, config, NOW)).toMatchObject({ do: 'stop', color: 'blue' });
});
