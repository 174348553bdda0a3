import { describe, expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo, record } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig({ keep: 60_000 });
const blue = seen({ color: 'blue' });
const green = seen({ color: 'green', release: 'v2' });
const dead = { ...blue, alive: false };
const warmBlue = observed({ route: routeTo('green', { blue: warm('v1') }), replicas: [blue, green] });
const idleFor = (ms: number) => record({ idleSince: { blue: NOW - ms, green: null } });

test('nothing is done without knowing the route', () => {
  const sick = observed({ route: 'unknown', replicas: [dead], resting: new Set(), quiet: { blue: true, green: true } });
  const records = [
    record(),
    record({ flips: [flipTo('blue', 'v1')] }),
    idleFor(1e9),
    record({ idleSince: { blue: 0, green: 0 }, retiringSince: { blue: 0, green: 0 } }),
    ...(['starting', 'gating', 'switching'] as const).map((phase) => deploying(phase)),
    deploying('gating', 0, { failing: { reason: 'unhealthy', message: 'sick' } }),
  ];
  for (const one of records) expect(decide(sick, one, config, NOW)).toBeNull();
});

test('nothing is done when nothing was ever live', () => {
  expect(decide(observed(), record(), config, NOW)).toBeNull();
});

test('nothing is done when all is well', () => {
  expect(decide(observed({ route: routeTo('blue'), replicas: [blue] }), record(), config, NOW)).toBeNull();
});

describe('a color without traffic', () => {
  test('is kept warm for `keep`', () => {
    expect(decide(warmBlue, idleFor(59_999), config, NOW)).toBeNull();
    expect(decide(warmBlue, idleFor(60_000), config, NOW)).toEqual({ do: 'retire', color: 'blue', reason: 'keep is over' });
  });

  test('goes at once with keep 0', () => {
    expect(decide(warmBlue, idleFor(0), serviceConfig({ keep: 0 }), NOW)).toMatchObject({ do: 'retire', color: 'blue' });
  });

  test('goes at once when it is not ready', () => {
    const world = { ...warmBlue, route: routeTo('green', { blue: { ...warm('v1'), ready: false } }) };
    expect(decide(world, idleFor(10), config, NOW)).toEqual({ do: 'retire', color: 'blue', reason: 'it is not ready' });
  });

  test('is not kept once it drains', () => {
    const draining = { ...idleFor(5000), retiringSince: { blue: NOW - 2000, green: null } };
    const world = { ...warmBlue, route: routeTo('green', { blue: { ...warm('v1'), ready: false } }) };
    expect(decide({ ...world, quiet: { blue: true, green: false } }, draining, config, NOW)).toMatchObject({ do: 'clear' });
  });

  test('is cleared and swept once all of its replicas have died', () => {
    const world = { ...warmBlue, replicas: [dead, green] };
    expect(decide(world, idleFor(10), config, NOW)).toEqual({ do: 'clear', color: 'blue' });
    const cleared = { ...world, route: routeTo('green') };
    expect(decide(cleared, idleFor(10), config, NOW)).toEqual({ do: 'stop', color: 'blue', replicas: ['blue-1'] });
  });

  test('is kept while one of its replicas lives', () => {
    const second = seen({ color: 'blue', slot: 2 });
    const route = routeTo('green', { blue: warm('v1', 1, 2) });
    expect(decide(observed({ route, replicas: [dead, second, green] }), idleFor(10), config, NOW)).toBeNull();
  });

  test('stays warm while a deployment to the other color is under way', () => {
    const route = routeTo('blue', { green: { slots: [1] } });
    const world = observed({ route, replicas: [blue, seen({ color: 'green', deployment: 'new', health: 'starting' })] });
    expect(decide(world, deploying('gating', NOW), config, NOW)).toBeNull();
  });
});

describe('a color with traffic', () => {
  const route = routeTo('blue', { blue: { slots: [1, 2] } });

  test('loses the slot of a replica that died, which gets a new one', () => {
    const world = observed({ route, replicas: [blue, seen({ slot: 2, alive: false })] });
    expect(decide(world, record(), config, NOW)).toMatchObject({ do: 'reroute', color: 'blue', slots: [1], out: [2] });
    const without = { ...world, route: routeTo('blue') };
    const outOfRoute = { blue: [2], green: [] };
    expect(decide(without, record({ outOfRoute }), config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 2 });
  });

  test('gets a new replica for each that is gone', () => {
    expect(decide(observed({ route }), record(), config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 1 });
  });

  test('revives the next slot while one rests, and none while all rest', () => {
    const resting = observed({ route, resting: new Set(['blue-1']) });
    expect(decide(resting, record(), config, NOW)).toMatchObject({ do: 'revive', slot: 2 });
    expect(decide({ ...resting, resting: new Set(['blue-1', 'blue-2']) }, record(), config, NOW)).toBeNull();
  });

  test('is not hindered by a slot of the same number that rests in the other color', () => {
    expect(decide(observed({ route, resting: new Set(['green-1']) }), record(), config, NOW)).toMatchObject({ slot: 1 });
  });

  test('is revived on both sides of a split', () => {
    const split = { ...routeTo('blue', { green: warm('v2') }), weights: { blue: 90, green: 10 } };
    const world = observed({ route: split, replicas: [blue] });
    expect(decide(world, idleFor(1e9), config, NOW)).toEqual({ do: 'revive', color: 'green', slot: 1 });
  });
});
