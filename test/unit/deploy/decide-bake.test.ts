import { describe, expect, test } from 'vitest';
import type { Guard } from '../../../njs/guard.ts';
import { decide } from '../../../sidecar/deploy/decide.ts';
import type { Mark } from '../../../sidecar/watch/counts.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo, type RecordParts } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const BAKE = { ...serviceConfig().bake, for: 60_000, minRequests: 50, maxErrorRate: 0.01 };
const config = serviceConfig({ bake: BAKE, keep: 0 });
const blue = seen();
const mine = seen({ color: 'green', deployment: 'new', release: 'v2' });
const route = routeTo('green', { green: { release: 'v2' }, blue: warm('v1') });
const forth = flipTo('green', 'v2', { deployment: 'new' });
const back = flipTo('blue', 'v1', { deployment: 'new' });
const failing = { reason: 'error-rate', message: 'too many errors' };

/** What green had finished. */
function counted(finished: Record<string, number>, epoch = 'first'): Mark {
  const none = { finished: {}, durations: [], failedOver: 0 };
  return { epoch, colors: { blue: none, green: { ...none, finished } } };
}

/** As the gateway tells of the deployment's guard. */
function guarding(generation: number, fired: Guard['fired'] = null): Guard {
  const limits = { minRequests: 50, maxErrorRate: 0.01, maxP99: null };
  const baseline = counted({}).colors.green;
  const of = { service: 'backend', deployment: 'new', color: 'green' as const, fallback: 'blue' as const };
  return { ...of, generation, until: 1e15, limits, epoch: 'first', baseline, fired };
}

const world = observed({ route, replicas: [blue, mine], traffic: counted({ '2xx': 100 }) });
const baking = (elapsed: number, parts: RecordParts = {}) =>
  deploying('baking', NOW - elapsed, { flips: [forth], idleSince: { blue: NOW - elapsed, green: null }, ...parts });

describe('a bake', () => {
  test('lasts its time and ends live', () => {
    expect(decide(world, baking(59_999), config, NOW)).toBeNull();
    expect(decide(world, baking(60_000), config, NOW)).toMatchObject({ do: 'enter', phase: 'live', reason: 'baked' });
  });

  test('keeps the old color, whatever `keep` says, and revives it', () => {
    const dead = { ...world, replicas: [{ ...blue, alive: false }, mine] };
    expect(decide(dead, baking(30_000), config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 1 });
  });

  test('with too few requests is inconclusive, and passes or not as it is told', () => {
    const few = { ...world, traffic: counted({ '2xx': 49 }) };
    expect(decide(few, baking(60_000), config, NOW)).toMatchObject({ phase: 'live', inconclusive: true });
    const strict = serviceConfig({ bake: { ...BAKE, onInconclusive: 'rollback' } });
    expect(decide(few, baking(60_000), strict, NOW)).toMatchObject({ do: 'fail', reason: 'inconclusive' });
    expect(decide({ ...world, traffic: null }, baking(60_000), strict, NOW)).toMatchObject({ reason: 'inconclusive' });
  });

  test('counts only what finished since the switch', () => {
    const switched = baking(60_000, { facts: { switched: counted({ '2xx': 60 }) } });
    expect(decide(world, switched, config, NOW)).toMatchObject({ phase: 'live', inconclusive: true });
  });

  test('convicts by errors that nginx counted', () => {
    const bad = { ...world, traffic: counted({ '2xx': 80, '5xx': 20 }) };
    expect(decide(bad, baking(100, { facts: { switched: counted({}) } }), config, NOW)).toMatchObject({
      do: 'fail',
      reason: 'error-rate',
      replica: null,
    });
    const old = baking(100, { facts: { switched: counted({ '2xx': 80, '5xx': 20 }) } });
    expect(decide({ ...bad, guard: guarding(route.generation) }, old, config, NOW)).toBeNull();
  });

  test('convicts by what was observed of its replicas', () => {
    const breach = { reason: 'memory', message: 'uses too much' };
    const step = decide({ ...world, bakeBreach: breach }, baking(100), config, NOW);
    expect(step).toEqual({ do: 'fail', ...breach, replica: null });
  });

  test('convicts a replica that is unhealthy', () => {
    const sick = { ...world, replicas: [blue, seen({ ...mine, health: 'unhealthy', detail: 'answered 500' })] };
    const step = decide(sick, baking(100), config, NOW);
    expect(step).toMatchObject({ do: 'fail', reason: 'unhealthy', replica: 'green-1' });
    expect(step).toHaveProperty('message', 'the replica in slot 1 failed 3 checks in a row; the last: answered 500');
  });

  test('convicts a replica that exits more often than it may, and revives it before that', () => {
    const dead = { ...world, replicas: [blue, { ...mine, alive: false }] };
    expect(decide(dead, baking(100), config, NOW)).toMatchObject({ do: 'fail', reason: 'restarts', replica: 'green-1' });
    const lenient = serviceConfig({ bake: { ...BAKE, maxRestarts: 2 } });
    expect(decide({ ...dead, restarts: 1 }, baking(100), lenient, NOW)).toEqual({ do: 'revive', color: 'green', slot: 1 });
    expect(decide({ ...dead, restarts: 2 }, baking(100), lenient, NOW)).toMatchObject({ reason: 'restarts' });
  });
});

describe('the guard of a bake', () => {
  const switched = { facts: { switched: counted({}) } };
  const fired = { reason: 'error-rate', message: '30 of 100 requests failed', at: '2026-01-01T00:00:00.000Z', generation: 9 };

  test('is left in the gateway, and again after every change of the route', () => {
    expect(decide(world, baking(100, switched), config, NOW)).toEqual({ do: 'guard', color: 'green' });
    const other = { ...world, guard: guarding(route.generation - 1) };
    expect(decide(other, baking(100, switched), config, NOW)).toEqual({ do: 'guard', color: 'green' });
    const present = { ...world, guard: guarding(route.generation) };
    expect(decide(present, baking(100, switched), config, NOW)).toBeNull();
  });

  test('is not wanted where nobody could take the traffic, or nobody knows where to count from', () => {
    const alone = { ...world, route: routeTo('green', { green: { release: 'v2' } }) };
    expect(decide(alone, baking(100, switched), config, NOW)).toBeNull();
    expect(decide(world, baking(100), config, NOW)).toBeNull();
  });

  test('that has moved traffic back ends the deployment with its numbers', () => {
    const left = { ...world, route: routeTo('blue', { green: warm('v2'), changedBy: 'guard' }), guard: guarding(8, fired) };
    const expected = {
      do: 'enter',
      phase: 'rolled-back',
      reason: 'error-rate',
      message: `${fired.message}; the guard moved traffic back`,
    };
    expect(decide(left, baking(100, switched), config, NOW)).toEqual(expected);
    // Also when the sidecar died before it knew of its own switch.
    const unaware = deploying('switching', NOW, { flips: [flipTo('blue', 'v1')] });
    expect(decide(left, unaware, config, NOW)).toEqual(expected);
  });

  test('of another deployment, or one that has not fired, ends nothing', () => {
    const route = routeTo('blue', { green: warm('v2'), changedBy: 'ann' });
    const superseded = { phase: 'superseded', reason: 'manual-flip' };
    const flipped = { ...switched, flips: [forth, flipTo('blue', 'v1', { by: 'ann' })] };
    expect(decide({ ...world, route, guard: guarding(8) }, baking(100, flipped), config, NOW)).toMatchObject(superseded);
    const other = { ...guarding(8, fired), deployment: 'another' };
    expect(decide({ ...world, route, guard: other }, baking(100, flipped), config, NOW)).toMatchObject(superseded);
  });
});

describe('a bake that is lost', () => {
  const lost = (flips = [forth]) => baking(100, { failing, flips });
  const returned = routeTo('blue', { green: { ...warm('v2'), ready: false } });

  test('moves traffic back first and explains afterwards', () => {
    expect(decide(world, lost(), config, NOW)).toEqual({ do: 'switch-back', color: 'blue' });
    const step = decide({ ...world, route: returned }, lost([forth, back]), config, NOW);
    expect(step).toEqual({ do: 'enter', phase: 'rolled-back', ...failing });
  });

  test('stays where it is when the old color does not run any more', () => {
    const alone = { ...world, replicas: [mine], resting: new Set(['blue-1']) };
    const step = decide(alone, lost(), config, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'needs-operator', reason: 'error-rate' });
    expect(step).toHaveProperty('message', expect.stringContaining('traffic stays on green'));
  });

  test('drains and stops the new color at once when it has been rolled back', () => {
    const ended = deploying('rolled-back', NOW, { flips: [forth, back], idleSince: { blue: null, green: NOW } });
    const warmLong = serviceConfig({ keep: 1e9 });
    expect(decide({ ...world, route: returned }, ended, warmLong, NOW)).toMatchObject({ do: 'retire', color: 'green' });
  });
});

describe('traffic that leaves a bake', () => {
  const away = { ...world, route: routeTo('blue', { green: warm('v2'), changedBy: 'ann' }) };

  test('by hand supersedes the deployment, and both colors stay for `keep`', () => {
    const flips = [forth, flipTo('blue', 'v1', { by: 'ann' })];
    const parts = { flips, idleSince: { blue: null, green: NOW } };
    const step = decide(away, baking(100, parts), config, NOW);
    expect(step).toEqual({
      do: 'enter',
      phase: 'superseded',
      reason: 'manual-flip',
      message: 'traffic was switched back to blue by ann',
    });
    const warmLong = serviceConfig({ keep: 1000 });
    const ended = deploying('superseded', NOW, parts);
    expect(decide(away, ended, warmLong, NOW + 999)).toBeNull();
    expect(decide(away, ended, warmLong, NOW + 1000)).toMatchObject({ do: 'retire', color: 'green' });
  });

  test('because the gateway lost its route is not told as a rollback, and nothing is stopped', () => {
    const step = decide({ ...world, route: null }, baking(100), config, NOW);
    expect(step).not.toMatchObject({ phase: 'rolled-back' });
    expect(step).not.toMatchObject({ do: expect.stringMatching(/retire|clear|stop/) });
  });
});

describe('the hook after the end', () => {
  const hooked = serviceConfig({
    keep: 1e9,
    hooks: { beforeSwitch: null, afterLive: { command: ['x'], timeout: 1 }, afterRollback: { command: ['y'], timeout: 1 } },
  });
  const ended = (phase: 'live' | 'rolled-back' | 'failed', elapsed = 10, hooks = {}) =>
    deploying(phase, NOW - elapsed, { flips: [forth], idleSince: { blue: NOW, green: null }, facts: { hooks } });

  test('runs once, and tells the end that it is for', () => {
    expect(decide(world, ended('live'), hooked, NOW)).toEqual({ do: 'hook', hook: 'afterLive' });
    expect(decide(world, ended('rolled-back'), hooked, NOW)).toEqual({ do: 'hook', hook: 'afterRollback' });
    expect(decide(world, ended('failed'), hooked, NOW)).toBeNull();
    expect(decide(world, ended('live', 10, { afterLive: false }), hooked, NOW)).toBeNull();
    expect(decide({ ...world, busy: 'afterLive' }, ended('live'), hooked, NOW)).toBeNull();
  });

  test('is not run ten minutes late', () => {
    expect(decide(world, ended('live', 600_000), hooked, NOW)).toEqual({ do: 'hook', hook: 'afterLive' });
    expect(decide(world, ended('live', 600_001), hooked, NOW)).toBeNull();
  });
});
