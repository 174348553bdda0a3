import { describe, expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import type { Deployment, Phase } from '../../../sidecar/store/deployment.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo, type RecordParts } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig();
const unbaked = serviceConfig({ bake: { ...config.bake, for: 0 } });
const registered = routeTo('blue', { green: { slots: [1], release: 'v2' } });
const switched = routeTo('green', { green: { release: 'v2' }, blue: warm('v1'), changedBy: 'ann' });
const own = flipTo('green', 'v2', { deployment: 'new' });
const blue = seen();
const mine = seen({ color: 'green', deployment: 'new', release: 'v2' });
const world = observed({ route: registered, replicas: [blue, mine] });

test('a passed gate leads to the switch', () => {
  expect(decide(world, deploying('switching', NOW), config, NOW)).toEqual({ do: 'switch', color: 'green' });
});

test('a switch is tried for 30 s, and then the deployment fails', () => {
  expect(decide(world, deploying('switching', NOW - 29_999), config, NOW)).toEqual({ do: 'switch', color: 'green' });
  const step = decide(world, deploying('switching', NOW - 30_000), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'switch-timeout', replica: null });
  expect(step).toHaveProperty('message', expect.stringContaining('30000 ms'));
});

test('a replica that became sick before the switch fails the deployment', () => {
  const sick = seen({ ...mine, health: 'unhealthy', detail: 'answered 500' });
  const step = decide({ ...world, replicas: [blue, sick] }, deploying('switching', NOW), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'unhealthy', replica: 'green-1' });
  expect(step).toHaveProperty('message', 'the replica in slot 1 is not healthy any more; the last check: answered 500');
});

test('the hook before the switch runs once, and gives the switch its own time on top', () => {
  const hook = { command: ['migrate'], timeout: 5000 };
  const hooked = serviceConfig({ hooks: { ...config.hooks, beforeSwitch: hook } });
  expect(decide(world, deploying('switching', NOW), hooked, NOW)).toEqual({ do: 'hook', hook: 'beforeSwitch' });
  expect(decide({ ...world, busy: 'beforeSwitch' }, deploying('switching', NOW), hooked, NOW)).toBeNull();
  const ran = { facts: { hooks: { beforeSwitch: true } } };
  expect(decide(world, deploying('switching', NOW - 34_999, ran), hooked, NOW)).toEqual({ do: 'switch', color: 'green' });
  expect(decide(world, deploying('switching', NOW - 35_000, ran), hooked, NOW)).toMatchObject({ reason: 'switch-timeout' });
});

test('a replica that exits before the switch fails the deployment', () => {
  const dead = { ...mine, alive: false };
  const step = decide({ ...world, replicas: [blue, dead] }, deploying('switching', NOW), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'replica-exited', replica: 'green-1' });
});

test('a first release is switched to without a route', () => {
  const step = decide({ ...world, route: null, replicas: [mine] }, deploying('switching', NOW, { flips: [] }), config, NOW);
  expect(step).toEqual({ do: 'switch', color: 'green' });
});

describe('traffic on the color', () => {
  /** Seen, and recorded, at NOW. */
  const arrived = (phase: Phase, parts: RecordParts = {}, of: Partial<Deployment> = {}) =>
    deploying(phase, NOW, { flips: [own], idleSince: { blue: NOW, green: null }, ...parts, of });
  const after = { ...world, route: switched };
  const byHand = [flipTo('green', 'v2', { by: 'bob' })];

  test('begins the bake', () => {
    const step = decide(after, arrived('switching'), config, NOW);
    expect(step).toEqual({ do: 'enter', phase: 'baking', reason: 'switched', message: 'v2 serves from green' });
  });

  test('makes the deployment live where nothing bakes or there is nothing to return to', () => {
    const live = { do: 'enter', phase: 'live', reason: 'switched', message: 'v2 serves from green' };
    expect(decide(after, arrived('switching'), unbaked, NOW)).toEqual(live);
    expect(decide(after, arrived('switching', {}, { previous: null }), config, NOW)).toEqual(live);
    const alone = { ...after, route: routeTo('green', { green: { release: 'v2' } }), replicas: [mine] };
    expect(decide(alone, arrived('switching'), config, NOW)).toEqual(live);
  });

  test('that was seen late counts even after the limit of the switch', () => {
    const late = arrived('switching', { phaseSince: NOW - 31_000 });
    expect(decide(after, late, config, NOW)).toMatchObject({ do: 'enter', phase: 'baking' });
  });

  test.each(['starting', 'gating', 'warming'] satisfies Phase[])(
    'by force in %s is told, and that checks were skipped',
    (phase) => {
      const step = decide(after, arrived(phase, { flips: byHand }), config, NOW);
      expect(step).toMatchObject({ do: 'enter', phase: 'baking', reason: 'manual-flip' });
      expect(step).toHaveProperty('message', 'green was forced to serve by bob; the remaining checks were skipped');
    },
  );

  test.each(['waiting', 'switching'] satisfies Phase[])('by hand in %s is a promotion', (phase) => {
    const step = decide(after, arrived(phase, { flips: byHand }), config, NOW);
    expect(step).toEqual({ do: 'enter', phase: 'baking', reason: 'manual-flip', message: 'promoted by bob' });
  });

  test('is told by the route when the flip is not recorded', () => {
    const step = decide(after, arrived('waiting', { flips: [] }), config, NOW);
    expect(step).toHaveProperty('message', 'promoted by ann');
  });

  test.each(['starting', 'gating', 'switching'] satisfies Phase[])(
    'without a replica of the deployment in %s supersedes it',
    (phase) => {
      const step = decide({ ...after, replicas: [blue] }, arrived(phase), config, NOW);
      expect(step).toMatchObject({ do: 'enter', phase: 'superseded', reason: 'manual-flip' });
    },
  );

  test('of a deployment that is lost supersedes it and is never taken away', () => {
    const failing = { reason: 'unhealthy', message: 'sick' };
    expect(decide(after, arrived('gating', { failing }), config, NOW)).toMatchObject({ do: 'enter', phase: 'superseded' });
  });

  test('counts also when it is only a part', () => {
    const split = { ...registered, weights: { blue: 90, green: 10 } };
    expect(decide({ ...world, route: split }, arrived('gating'), config, NOW)).toMatchObject({ phase: 'baking' });
  });

  test('begins the bake before the old color loses its readiness, even with keep 0', () => {
    const step = decide(after, arrived('switching'), serviceConfig({ keep: 0 }), NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'baking' });
  });
});
