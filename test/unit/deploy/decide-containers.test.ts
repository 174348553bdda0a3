import { describe, expect, test } from 'vitest';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { observed, routeTo, seen, trial, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deploying, flipTo, record } from '../../support/builders-record.ts';

const NOW = 1_000_000;
const config = serviceConfig();

describe('an image', () => {
  const starting = deploying('starting', NOW, { of: { image: 'app:v2' } });
  const blue = seen();
  const old = seen({ color: 'green', release: 'v0', deployment: 'older' });

  test('is prepared before anything is started, and before the color is emptied for it', () => {
    const route = routeTo('blue', { green: warm('v0') });
    expect(decide(observed({ route, replicas: [blue, old] }), starting, config, NOW)).toEqual({ do: 'prepare' });
  });

  test('is waited for', () => {
    expect(decide(observed({ route: routeTo('blue'), replicas: [blue], busy: 'prepare' }), starting, config, NOW)).toBeNull();
  });

  test('that is here is started', () => {
    const seenHere = observed({ route: routeTo('blue'), replicas: [blue], trial: trial({ prepared: true }) });
    expect(decide(seenHere, starting, config, NOW)).toEqual({ do: 'start', color: 'green', slots: [1] });
  });

  test('that cannot be had ends the deployment, and the warm color stays what it is', () => {
    const lost = deploying('starting', NOW, {
      of: { image: 'app:v2' },
      facts: { failing: { reason: 'image-unavailable', message: 'no such image' } },
    });
    const step = decide(observed({ route: routeTo('blue', { green: warm('v0') }), replicas: [blue, old] }), lost, config, NOW);
    expect(step).toEqual({ do: 'enter', phase: 'failed', reason: 'image-unavailable', message: 'no such image' });
  });
});

describe('what has passed everything', () => {
  const past = record({ flips: [flipTo('blue', 'v1')] });
  const unkept = (parts: Parameters<typeof seen>[0] = {}) => seen({ kept: false, ...parts });

  test('the runtime may bring back by itself', () => {
    const step = decide(observed({ route: routeTo('blue'), replicas: [unkept()] }), past, config, NOW);
    expect(step).toEqual({ do: 'keep', color: 'blue', replicas: ['blue-1'] });
  });

  test.each([
    ['is kept already', seen({ kept: true })],
    ['is a process, which no runtime brings back', seen({ kept: null })],
    ['is dead', unkept({ alive: false })],
  ])('not what %s', (_why, replica) => {
    expect(decide(observed({ route: routeTo('blue'), replicas: [replica] }), past, config, NOW)).not.toMatchObject({
      do: 'keep',
    });
  });

  test('not while it is on trial: whatever dies then shall be seen dead', () => {
    const baking = deploying('baking', NOW, { of: { color: 'green' } });
    const replicas = [unkept(), unkept({ color: 'green', deployment: 'new', release: 'v2' })];
    const route = routeTo('green', { blue: warm('v1') });
    const step = decide(observed({ route, replicas }), baking, config, NOW);
    expect(step).toBeNull();
  });
});
