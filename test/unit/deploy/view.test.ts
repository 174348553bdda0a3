import { expect, test } from 'vitest';
import { viewOf } from '../../../sidecar/deploy/view.ts';
import { observed, routeTo, seen } from '../../support/builders.ts';
import { traffic as trafficOf } from '../../support/builders-gateway.ts';
import { deployment, flipTo, record } from '../../support/builders-record.ts';

const traffic = trafficOf({ blue: 3, green: 0 });

test('a service is shown as its route says', () => {
  const route = routeTo('blue', { green: { slots: [1], release: 'v2' }, generation: 9 });
  const view = viewOf('backend', observed({ route, replicas: [seen()] }), traffic, record({ deployments: [deployment()] }));
  expect(view).toMatchObject({ name: 'backend', active: 'blue', generation: 9, weights: { blue: 100, green: 0 }, paused: false });
  expect(view.gateway).toBe('answering');
  expect(view.colors.blue).toMatchObject({ release: 'v1', ready: true, inFlight: 3 });
  expect(view.colors.green).toMatchObject({ release: 'v2', ready: false, inFlight: 0, replicas: [] });
  expect(view.deployment?.id).toBe('new');
});

test('a service that never was live has no active color and no generation', () => {
  const view = viewOf('backend', observed(), null, record());
  expect(view).toMatchObject({ active: null, generation: 0, weights: { blue: 0, green: 0 }, deployment: null });
  expect(view.colors.blue).toEqual({ release: null, ready: false, inFlight: null, replicas: [] });
});

test('while the gateway is silent the last known color is shown, and said to be so', () => {
  const flips = [flipTo('blue', 'v1'), flipTo('green', 'v2', { generation: 4 })];
  const view = viewOf(
    'backend',
    observed({ route: 'unknown', replicas: [seen({ color: 'green', release: 'v2' })] }),
    null,
    record({ flips }),
  );
  expect(view).toMatchObject({ gateway: 'unreachable', active: 'green', generation: 4, weights: { blue: 0, green: 100 } });
  expect(view.colors.green.release).toBe('v2');
});

test('a route that is gone is not believed to be the last one', () => {
  expect(viewOf('backend', observed(), null, record({ flips: [flipTo('blue', 'v1')] })).active).toBeNull();
});

test('replicas are shown by slot, and a dead one as dead whatever its last check said', () => {
  const replicas = [seen({ slot: 2 }), seen({ slot: 1, alive: false }), seen({ slot: 3, health: 'starting' })];
  const { blue } = viewOf('backend', observed({ replicas }), null, record()).colors;
  expect(blue.replicas.map(({ slot, health }) => [slot, health])).toEqual([
    [1, 'dead'],
    [2, 'healthy'],
    [3, 'starting'],
  ]);
});
