import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, deployment, record } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig();
const blue = seen({ color: 'blue' });
const mine = seen({ color: 'green', deployment: 'new', release: 'v2', health: 'starting' });
const former = seen({ color: 'green', release: 'v0', deployment: 'older' });
const starting = deploying('starting', NOW);

test('every slot of a new deployment is started at once', () => {
  const step = decide(observed(), record({ deployments: [deployment({ slots: [1, 2, 3] })] }), config, NOW);
  expect(step).toEqual({ do: 'start', color: 'green', slots: [1, 2, 3] });
});

test('only the slots that are missing are started after a restart', () => {
  const both = deploying('starting', NOW, { of: { slots: [1, 2] } });
  const step = decide(observed({ route: routeTo('blue'), replicas: [blue, mine] }), both, config, NOW);
  expect(step).toEqual({ do: 'start', color: 'green', slots: [2] });
});

test('a replica that died already is not started again', () => {
  const dead = { ...mine, alive: false };
  const step = decide(
    observed({ route: routeTo('blue', { green: { slots: [1] } }), replicas: [blue, dead] }),
    starting,
    config,
    NOW,
  );
  expect(step).toMatchObject({ do: 'enter', phase: 'gating' });
});

test('what was started is registered in the route before the gate', () => {
  const step = decide(observed({ route: routeTo('blue'), replicas: [blue, mine] }), starting, config, NOW);
  expect(step).toEqual({ do: 'register', color: 'green' });
});

test('what is started and registered enters the gate', () => {
  const route = routeTo('blue', { green: { slots: [1], release: 'v2' } });
  const step = decide(observed({ route, replicas: [blue, mine] }), starting, config, NOW);
  expect(step).toMatchObject({ do: 'enter', phase: 'gating', reason: 'started' });
});

test('a first release has no route to be registered in', () => {
  const first = record({ deployments: [deployment({ previous: null })] });
  expect(decide(observed({ replicas: [mine] }), first, config, NOW)).toMatchObject({ do: 'enter', phase: 'gating' });
});

test('a warm color is drained before a new deployment takes its place', () => {
  const route = routeTo('blue', { green: warm('v0') });
  const world = observed({ route, replicas: [blue, former] });
  expect(decide(world, starting, config, NOW)).toMatchObject({ do: 'retire', color: 'green' });

  const draining = deploying('starting', NOW, {
    idleSince: { blue: null, green: NOW - 60_000 },
    retiringSince: { blue: null, green: NOW - 100 },
  });
  const unready = observed({ route: routeTo('blue', { green: { ...warm('v0'), ready: false } }), replicas: [blue, former] });
  expect(decide(unready, draining, config, NOW)).toBeNull();
  const quiet = { ...unready, quiet: { blue: false, green: true } };
  expect(decide(quiet, draining, config, NOW)).toEqual({ do: 'clear', color: 'green' });
  const cleared = { ...quiet, route: routeTo('blue') };
  expect(decide(cleared, draining, config, NOW)).toEqual({ do: 'stop', color: 'green', replicas: ['green-1'] });
});

test('a warm color goes at once for a new deployment, however long it would be kept', () => {
  const route = routeTo('blue', { green: warm('v0') });
  const fresh = deploying('starting', NOW, { idleSince: { blue: null, green: NOW - 2000 } });
  const forever = serviceConfig({ keep: 1e9 });
  expect(decide(observed({ route, replicas: [blue, former] }), fresh, forever, NOW)).toMatchObject({ do: 'retire' });
});

test('a color of which only dead replicas are left is cleared and swept without a drain', () => {
  const dead = { ...former, alive: false };
  const named = observed({ route: routeTo('blue', { green: warm('v0') }), replicas: [blue, dead] });
  expect(decide(named, starting, config, NOW)).toEqual({ do: 'clear', color: 'green' });
  const cleared = observed({ route: routeTo('blue'), replicas: [blue, dead] });
  expect(decide(cleared, starting, config, NOW)).toEqual({ do: 'stop', color: 'green', replicas: ['green-1'] });
});

test('slots that the route still names are cleared before anything starts in them', () => {
  const world = observed({ route: routeTo('blue', { green: warm('v0') }), replicas: [blue] });
  expect(decide(world, starting, config, NOW)).toEqual({ do: 'clear', color: 'green' });
});

test('a replica of an earlier deployment in another slot is removed first', () => {
  const route = routeTo('blue', { green: { slots: [1], release: 'v2' } });
  const stray = seen({ color: 'green', slot: 2, deployment: 'older' });
  const world = observed({ route, replicas: [blue, mine, stray] });
  expect(decide(world, starting, config, NOW)).toMatchObject({ do: 'retire', color: 'green' });
});

test('a switch by hand to the warm color that is about to go supersedes the deployment', () => {
  const route = routeTo('green', { blue: warm('v1'), green: { release: 'v0' }, changedBy: 'ann' });
  const flipped = { ...starting, idleSince: { blue: NOW, green: null } };
  const step = decide(observed({ route, replicas: [blue, former] }), flipped, config, NOW);
  expect(step).toMatchObject({ do: 'enter', phase: 'superseded', reason: 'manual-flip' });
  expect(step).toHaveProperty('message', 'traffic was switched to green by ann');
});
