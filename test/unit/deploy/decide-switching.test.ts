import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import type { Phase } from '../../../sidecar/store/deployment.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig();
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

test('a replica that exits before the switch fails the deployment', () => {
  const dead = { ...mine, alive: false };
  const step = decide({ ...world, replicas: [blue, dead] }, deploying('switching', NOW), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'replica-exited', replica: 'green-1' });
});

test('a first release is switched to without a route', () => {
  const step = decide({ ...world, route: null, replicas: [mine] }, deploying('switching', NOW, { flips: [] }), config, NOW);
  expect(step).toEqual({ do: 'switch', color: 'green' });
});

test('traffic on the color makes the deployment live', () => {
  const step = decide({ ...world, route: switched }, deploying('switching', NOW, { flips: [own] }), config, NOW);
  expect(step).toEqual({ do: 'enter', phase: 'live', reason: 'switched', message: 'v2 serves from green' });
});

test('a switch that was seen late makes the deployment live even after its limit', () => {
  const step = decide({ ...world, route: switched }, deploying('switching', NOW - 31_000), config, NOW);
  expect(step).toMatchObject({ do: 'enter', phase: 'live' });
});

test.each(['starting', 'gating', 'warming'] satisfies Phase[])(
  'a forced switch in %s makes the deployment live and says that checks were skipped',
  (phase) => {
    const step = decide({ ...world, route: switched }, deploying(phase, NOW), config, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'live', reason: 'manual-flip' });
    expect(step).toHaveProperty('message', 'green was forced to serve by ann; the remaining checks were skipped');
  },
);

test.each(['starting', 'gating', 'switching'] satisfies Phase[])(
  'traffic on a color without a replica of the deployment in %s supersedes it',
  (phase) => {
    const step = decide({ ...world, route: switched, replicas: [blue] }, deploying(phase, NOW), config, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'superseded', reason: 'manual-flip' });
  },
);

test.each(['waiting', 'switching'] satisfies Phase[])('a switch by hand in %s is a promotion', (phase) => {
  const byHand = deploying(phase, NOW, { flips: [flipTo('green', 'v2', { by: 'bob' })] });
  const step = decide({ ...world, route: switched }, byHand, config, NOW);
  expect(step).toEqual({ do: 'enter', phase: 'live', reason: 'manual-flip', message: 'promoted by bob' });
});

test('traffic that came while the deployment was failing is never taken away, and supersedes it', () => {
  const failing = deploying('gating', NOW, { failing: { reason: 'unhealthy', message: 'sick' } });
  expect(decide({ ...world, route: switched }, failing, config, NOW)).toMatchObject({ do: 'enter', phase: 'superseded' });
});

test('a part of the traffic is enough to be live', () => {
  const split = { ...registered, weights: { blue: 90, green: 10 } };
  expect(decide({ ...world, route: split }, deploying('gating', NOW), config, NOW)).toMatchObject({ phase: 'live' });
});
