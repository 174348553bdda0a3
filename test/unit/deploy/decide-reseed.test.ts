import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, seen } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo, record } from '../../support/builders-record.ts';

/** The gateway has lost its route; the journal says that blue served from slots 1 and 2. */
const NOW = 1_000_000;
const config = serviceConfig();
const remembered = record({ flips: [flipTo('green', 'v0'), flipTo('blue', 'v1', { slots: [1, 2] })] });
const first = seen({ slot: 1 });
const second = seen({ slot: 2 });

test('a lost route is written anew from the journal once every replica is healthy', () => {
  expect(decide(observed({ replicas: [first, second] }), remembered, config, NOW)).toEqual({ do: 'seed', color: 'blue' });
});

test('a lost route is not written while a replica is not healthy', () => {
  const sick = { ...second, health: { state: 'starting' as const, last: null } };
  expect(decide(observed({ replicas: [first, sick] }), remembered, config, NOW)).toBeNull();
});

test('what does not run is started first', () => {
  expect(decide(observed({ replicas: [first] }), remembered, config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 2 });
});

test('replicas of the other color do not count', () => {
  const others = [seen({ color: 'green', slot: 1 }), seen({ color: 'green', slot: 2 })];
  expect(decide(observed({ replicas: others }), remembered, config, NOW)).toMatchObject({ do: 'revive', color: 'blue' });
});

test('a sick replica in a slot that was not serving does not count', () => {
  const other = seen({ slot: 3, health: 'unhealthy' });
  expect(decide(observed({ replicas: [first, second, other] }), remembered, config, NOW)).toMatchObject({ do: 'seed' });
});

test('a route is never seeded with slots in which nothing runs while they rest', () => {
  const resting = new Set(['blue-1', 'blue-2']);
  expect(decide(observed({ resting }), remembered, config, NOW)).toBeNull();
});

test('a color that served when the route was lost is not retired because a deployment runs', () => {
  const mine = seen({ color: 'green', deployment: 'new', health: 'starting' });
  const lost = observed({ replicas: [first, second, mine] });
  const flips = remembered.flips;
  for (const phase of ['starting', 'gating', 'switching'] as const) {
    const step = decide(lost, deploying(phase, NOW, { flips }), config, NOW);
    expect(step).not.toMatchObject({ color: 'blue', do: expect.stringMatching(/retire|clear|stop/) });
  }
});
