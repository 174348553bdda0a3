import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, type SeenParts, seen, trial } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying } from '../../support/builders-record.ts';

const NOW = 1_000_000;
/** 30 x 100 ms */
const DEADLINE = 3000;
const config = serviceConfig();
const route = routeTo('blue', { green: { slots: [1, 2], release: 'v2' } });
const blue = seen();
const mine = (slot: number, parts: SeenParts = {}) => {
  return seen({ color: 'green', slot, deployment: 'new', release: 'v2', ...parts });
};
const gating = (elapsed: number) => deploying('gating', NOW - elapsed, { of: { slots: [1, 2] } });
const proven = trial({ proven: true });
const healthy = observed({ route, replicas: [blue, mine(1), mine(2)] });
const waiting = observed({
  route,
  replicas: [blue, mine(1), mine(2, { health: 'starting', detail: 'GET /health answered 503, expected 200' })],
});

test('the gate waits for every replica', () => {
  expect(decide(waiting, gating(0), config, NOW)).toBeNull();
  expect(decide(waiting, gating(DEADLINE - 1), config, NOW)).toBeNull();
});

test('replicas that are all healthy are asked once more through nginx', () => {
  expect(decide(healthy, gating(10), config, NOW)).toEqual({ do: 'prove', color: 'green' });
});

test('healthy replicas that answered through nginx may be warmed up', () => {
  const step = decide({ ...healthy, trial: proven }, gating(10), config, NOW);
  expect(step).toMatchObject({ do: 'enter', phase: 'warming', reason: 'healthy' });
});

test('a proof that was given while a replica has become unhealthy again does not count', () => {
  const world = { ...healthy, trial: proven, replicas: [blue, mine(1), mine(2, { health: 'unhealthy' })] };
  expect(decide(world, gating(10), config, NOW)).toBeNull();
});

test('a replica that is not healthy by the deadline fails the gate with the last answer', () => {
  const step = decide(waiting, gating(DEADLINE), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'unhealthy', replica: 'green-2' });
  expect(step).toHaveProperty(
    'message',
    'not healthy within 3000 ms (30 x 100 ms); the last check: GET /health answered 503, expected 200',
  );
});

test('a replica that never was asked is said to be so', () => {
  const world = observed({ route, replicas: [blue, mine(1, { health: 'starting' }), mine(2)] });
  const step = decide(world, gating(DEADLINE), config, NOW);
  expect(step).toHaveProperty('message', expect.stringContaining('it was never asked'));
});

test('a color that does not answer through nginx by the deadline fails the gate with the reason', () => {
  const step = decide({ ...healthy, trial: trial({ proofFailure: 'answered 502' }) }, gating(DEADLINE), config, NOW);
  expect(step).toMatchObject({ do: 'fail', reason: 'unhealthy', replica: 'green-1' });
  expect(step).toHaveProperty('message', expect.stringContaining('the last check: through nginx: answered 502'));
});

test('replicas that became healthy at the very deadline are still asked through nginx once', () => {
  expect(decide(healthy, gating(DEADLINE), config, NOW)).toEqual({ do: 'prove', color: 'green' });
});

test('a replica that exits fails the gate at once, with its code and its last check', () => {
  const dead = mine(2, { alive: false, exit: { code: 3, signal: null }, detail: 'failed: ECONNREFUSED' });
  const step = decide(observed({ route, replicas: [blue, mine(1), dead] }), gating(10), config, NOW);
  expect(step).toEqual({
    do: 'fail',
    reason: 'replica-exited',
    message: 'the replica in slot 2 exited with code 3; the last check: failed: ECONNREFUSED',
    replica: 'green-2',
  });
});

test.each([
  [{ code: null, signal: 'SIGKILL' }, 'the replica in slot 1 was ended by SIGKILL'],
  [null, 'the replica in slot 1 ended'],
])('a replica that ended as %o is told as "%s"', (exit, message) => {
  const world = observed({ route, replicas: [blue, mine(1, { alive: false, exit })] });
  expect(decide(world, gating(10), config, NOW)).toMatchObject({ reason: 'replica-exited', message });
});

test('another color dying does not fail the gate but is revived', () => {
  const world = { ...waiting, replicas: [{ ...blue, alive: false }, ...waiting.replicas.slice(1)] };
  expect(decide(world, gating(10), config, NOW)).toEqual({ do: 'revive', color: 'blue', slot: 1 });
});

test('a proof that is under way is not asked for twice', () => {
  expect(decide({ ...healthy, busy: 'prove' }, gating(10), config, NOW)).toBeNull();
});

test.each(['gating', 'warming', 'waiting', 'switching'] as const)(
  'a replica that has vanished in %s fails the deployment',
  (phase) => {
    const world = observed({ route, replicas: [blue, mine(1)], trial: proven });
    const vanished = deploying(phase, NOW - 10, { of: { slots: [1, 2] } });
    expect(decide(world, vanished, config, NOW)).toMatchObject({ do: 'fail', reason: 'replica-exited' });
  },
);
