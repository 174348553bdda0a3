import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { flipTo, record } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig({ maxReplicas: 4 });
/** Blue serves from slots 1 to 3, and has done so since traffic came to it. */
const three = record({ flips: [flipTo('blue', 'v1', { slots: [1, 2, 3] })] });
/** The same, with slot 2 taken out by healing. */
const without2 = record({ ...three, outOfRoute: { blue: [2], green: [] } });
const routed = (...slots: number[]) => routeTo('blue', { blue: { slots } });
const healthy = (slot: number) => seen({ slot });
const sick = (slot: number) => seen({ slot, health: 'unhealthy' });

test('a sick replica leaves the route while another is healthy', () => {
  const world = observed({ route: routed(1, 2, 3), replicas: [healthy(1), sick(2), healthy(3)] });
  expect(decide(world, three, config, NOW)).toMatchObject({ do: 'reroute', color: 'blue', slots: [1, 3] });
});

test('a sick replica stays while no other is healthy', () => {
  const starting = seen({ slot: 1, health: 'starting' });
  expect(decide(observed({ route: routed(1, 2, 3), replicas: [sick(1), sick(2), sick(3)] }), three, config, NOW)).toBeNull();
  expect(decide(observed({ route: routed(1, 2), replicas: [starting, sick(2), sick(3)] }), three, config, NOW)).toBeNull();
});

test('a replica that a restarted sidecar has not asked yet is not taken out', () => {
  const starting = seen({ slot: 2, health: 'starting' });
  const world = observed({ route: routed(1, 2, 3), replicas: [healthy(1), starting, healthy(3)] });
  expect(decide(world, three, config, NOW)).toBeNull();
});

test('a sick replica that has left the route is replaced once it is quiet', () => {
  const world = observed({ route: routed(1, 3), replicas: [healthy(1), sick(2), healthy(3)] });
  expect(decide(world, without2, config, NOW)).toBeNull();
  const quiet = { ...world, quietSlots: new Set(['blue-2']) };
  expect(decide(quiet, without2, config, NOW)).toEqual({ do: 'replace', color: 'blue', slot: 2 });
});

test('a replica that is gone is started again, and returns once it is healthy', () => {
  const world = observed({ route: routed(1, 3), replicas: [healthy(1), healthy(3)] });
  expect(decide(world, without2, config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 2 });
  const starting = { ...world, replicas: [healthy(1), seen({ slot: 2, health: 'starting' }), healthy(3)] };
  expect(decide(starting, without2, config, NOW)).toBeNull();
  const well = { ...world, replicas: [healthy(1), healthy(2), healthy(3)] };
  expect(decide(well, without2, config, NOW)).toMatchObject({ do: 'reroute', color: 'blue', slots: [1, 2, 3] });
});

test('a slot that a hand took out of the route stays out', () => {
  const world = observed({ route: routed(1, 3), replicas: [healthy(1), healthy(2), healthy(3)] });
  expect(decide(world, three, config, NOW)).toBeNull();
});

test('only sets that were rendered are routed to', () => {
  const four = record({ flips: [flipTo('blue', 'v1', { slots: [1, 2, 3, 4] })] });
  const replicas = [healthy(1), sick(2), sick(3), healthy(4)];
  const world = observed({ route: routed(1, 2, 3, 4), replicas });
  expect(decide(world, four, config, NOW)).toMatchObject({ do: 'reroute', slots: [1] });
});

test('a dead replica leaves the route before it is started again', () => {
  const dead = { ...healthy(2), alive: false };
  const world = observed({ route: routed(1, 2), replicas: [healthy(1), dead, healthy(3)] });
  expect(decide(world, three, config, NOW)).toMatchObject({ do: 'reroute', slots: [1] });
});

test('traffic never moves to the other color by itself', () => {
  const route = routeTo('blue', { green: { slots: [1], release: 'v2', ready: true } });
  const world = observed({ route, replicas: [sick(1), seen({ color: 'green' })] });
  const one = record({ flips: [flipTo('blue', 'v1')], idleSince: { blue: null, green: NOW } });
  expect(decide(world, one, config, NOW)).toBeNull();
});
