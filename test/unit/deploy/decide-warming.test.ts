import { describe, expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen, trial, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const plain = serviceConfig();
const expected = { status: 200, json: {} };
const config = serviceConfig({
  warm: [{ path: '/', count: 20 }],
  smoke: [{ path: '/api/ping', timeout: 1000, expect: expected }],
  promoteTimeout: 60_000,
});
const blue = seen();
const mine = seen({ color: 'green', deployment: 'new', release: 'v2' });
const registered = routeTo('blue', { green: { slots: [1], release: 'v2' } });
const ready = routeTo('blue', { green: warm('v2') });
const world = observed({ route: registered, replicas: [blue, mine] });
const done = trial({ proven: true, warmed: true, smoked: true });

describe('warming', () => {
  const warming = deploying('warming', NOW);

  test('sends the warm-up, then the smoke checks, then says ready, then switches', () => {
    expect(decide(world, warming, config, NOW)).toEqual({ do: 'warm', color: 'green' });
    expect(decide({ ...world, trial: trial({ warmed: true }) }, warming, config, NOW)).toEqual({ do: 'smoke', color: 'green' });
    expect(decide({ ...world, trial: done }, warming, config, NOW)).toEqual({ do: 'ready', color: 'green' });
    const step = decide({ ...world, trial: done, route: ready }, warming, config, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'switching', reason: 'checked' });
  });

  test('waits for what is under way', () => {
    expect(decide({ ...world, busy: 'warm' }, warming, config, NOW)).toBeNull();
    expect(decide({ ...world, trial: trial({ warmed: true }), busy: 'smoke' }, warming, config, NOW)).toBeNull();
  });

  test('has nothing to do where nothing is to be warmed or checked', () => {
    expect(decide(world, warming, plain, NOW)).toEqual({ do: 'ready', color: 'green' });
  });

  test('of a first release has no route to be ready in', () => {
    const step = decide({ ...world, route: null, replicas: [mine] }, deploying('warming', NOW, { flips: [] }), plain, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'switching' });
  });

  test('fails with what the smoke check said', () => {
    const failed = { ...world, trial: trial({ warmed: true, smokeFailure: 'GET /api/ping answered 500' }) };
    const step = decide(failed, warming, config, NOW);
    expect(step).toEqual({ do: 'fail', reason: 'smoke-failed', message: 'GET /api/ping answered 500', replica: null });
  });

  test('fails when a replica exits or becomes sick', () => {
    const dead = { ...world, replicas: [blue, { ...mine, alive: false }] };
    expect(decide(dead, warming, config, NOW)).toMatchObject({ do: 'fail', reason: 'replica-exited' });
    const sick = { ...world, replicas: [blue, seen({ ...mine, health: 'unhealthy' })] };
    expect(decide(sick, warming, config, NOW)).toMatchObject({ do: 'fail', reason: 'unhealthy', replica: 'green-1' });
  });

  test('leads to waiting where somebody has to promote', () => {
    const held = deploying('warming', NOW, { of: { promote: 'manual' } });
    const step = decide({ ...world, trial: done, route: ready }, held, config, NOW);
    expect(step).toMatchObject({ do: 'enter', phase: 'waiting', reason: 'promote-manual' });
  });
});

describe('waiting', () => {
  const waiting = (elapsed: number, promotedBy: string | null = null) =>
    deploying('waiting', NOW - elapsed, { of: { promote: 'manual' }, facts: { promotedBy } });
  const held = { ...world, trial: done, route: ready };

  test('goes on when it is promoted, and says by whom', () => {
    expect(decide(held, waiting(10), config, NOW)).toBeNull();
    const step = decide(held, waiting(10, 'ann'), config, NOW);
    expect(step).toEqual({ do: 'enter', phase: 'switching', reason: 'promoted', message: 'promoted by ann' });
  });

  test('ends after its limit', () => {
    expect(decide(held, waiting(59_999), config, NOW)).toBeNull();
    expect(decide(held, waiting(60_000), config, NOW)).toMatchObject({ do: 'fail', reason: 'promote-timeout' });
  });

  test('does not go on with a replica that exited or became sick meanwhile', () => {
    const dead = { ...held, replicas: [blue, { ...mine, alive: false }] };
    expect(decide(dead, waiting(10, 'ann'), config, NOW)).toMatchObject({ do: 'fail', reason: 'replica-exited' });
    const sick = { ...held, replicas: [blue, seen({ ...mine, health: 'unhealthy' })] };
    expect(decide(sick, waiting(10, 'ann'), config, NOW)).toMatchObject({ do: 'fail', reason: 'unhealthy' });
  });
});
