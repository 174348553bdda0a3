import { expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import type { Phase } from '../../../sidecar/store/deployment.ts';
import { observed, routeTo, seen, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig();
const failing = { reason: 'unhealthy', message: 'sick' };
const blue = seen();
const mine = seen({ color: 'green', deployment: 'new', release: 'v2', health: 'starting' });
const second = { ...mine, slot: 2, id: 'green-2', alive: false };

test.each(['starting', 'gating', 'warming', 'waiting', 'switching'] satisfies Phase[])(
  'a deployment that is lost in %s is cleared from the route, then stopped, then failed',
  (phase) => {
    const lost = deploying(phase, NOW, { failing });
    const named = observed({ route: routeTo('blue', { green: { slots: [1] } }), replicas: [blue, mine, second] });
    expect(decide(named, lost, config, NOW)).toEqual({ do: 'clear', color: 'green' });
    const cleared = { ...named, route: routeTo('blue') };
    expect(decide(cleared, lost, config, NOW)).toEqual({ do: 'stop', color: 'green', replicas: ['green-1', 'green-2'] });
    const stopped = { ...cleared, replicas: [blue] };
    expect(decide(stopped, lost, config, NOW)).toEqual({ do: 'enter', phase: 'failed', ...failing });
  },
);

test('a lost deployment to which a hand has sent requests in passing lets them end first', () => {
  const lost = deploying('waiting', NOW, { failing });
  const visited = observed({
    route: routeTo('blue', { green: warm('v2') }),
    replicas: [blue, mine],
    inFlight: { blue: 9, green: 1 },
  });
  expect(decide(visited, lost, config, NOW)).toMatchObject({ do: 'retire', color: 'green' });
  const draining = { ...lost, retiringSince: { blue: null, green: NOW } };
  const unready = { ...visited, route: routeTo('blue', { green: { slots: [1] } }) };
  expect(decide(unready, draining, config, NOW + 1)).toBeNull();
  expect(decide({ ...unready, quiet: { blue: false, green: true } }, draining, config, NOW + 2000)).toMatchObject({
    do: 'clear',
  });
  expect(decide(unready, draining, config, NOW + config.drain.timeout)).toMatchObject({ do: 'clear' });
});

test('a lost first release is undone without a route', () => {
  const lost = deploying('gating', NOW, { failing, flips: [] });
  expect(decide(observed({ replicas: [mine] }), lost, config, NOW)).toMatchObject({ do: 'stop' });
  expect(decide(observed(), lost, config, NOW)).toMatchObject({ do: 'enter', phase: 'failed' });
});

test('a lost deployment that never started anything fails at once', () => {
  const lost = deploying('starting', NOW, { failing: { reason: 'start-failed', message: 'no such program' } });
  const step = decide(observed({ route: routeTo('blue'), replicas: [blue] }), lost, config, NOW);
  expect(step).toEqual({ do: 'enter', phase: 'failed', reason: 'start-failed', message: 'no such program' });
});

test('nothing happens any more once it has failed', () => {
  const failed = deploying('failed', NOW, { failing });
  expect(decide(observed({ route: routeTo('blue'), replicas: [blue] }), failed, config, NOW)).toBeNull();
});
