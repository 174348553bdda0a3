import { describe, expect, test } from 'vitest';
import type { Route } from '../../../njs/route.ts';
import { act, type Effect } from '../../../sidecar/deploy/act.ts';
import type { Observed } from '../../../sidecar/deploy/observed.ts';
import { FakeRuntime } from '../../../sidecar/runtime/fake.ts';
import type { ReplicaSpec } from '../../../sidecar/runtime/runtime.ts';
import type { ServiceRecord } from '../../../sidecar/store/record.ts';
import { EMPTY, observed, routeTo, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { FakeGateway } from '../../support/builders-gateway.ts';
import { deployment, flipTo, record } from '../../support/builders-record.ts';
import { FakeClock } from '../../support/clock.ts';

const config = serviceConfig({
  command: ['run', '--release={release}'],
  cwd: '/srv/{release}',
  env: { LABEL: 'app-{release}', PLAIN: 'x' },
});
const running = deployment({ slots: [1, 2] });

class Spied extends FakeRuntime {
  readonly specs: ReplicaSpec[] = [];
  override start(spec: ReplicaSpec) {
    this.specs.push(spec);
    return super.start(spec);
  }
}

async function does(step: Effect, route: Route | null, parts: Parts = {}) {
  const { runtime = new Spied(), gateway = new FakeGateway(route), past = record(), of = running, ...rest } = parts;
  const replicas = (await runtime.list()).map((one) => ({ ...one, health: { state: 'healthy' as const, last: null } }));
  const addressOf = (_service: string, color: string, slot: number) => `127.0.0.1:${color === 'blue' ? 1 : 2}000${slot}`;
  const situation = { config, observed: observed({ route, replicas, ...rest }), record: past, deployment: of };
  await act(step, situation, { gateway, runtime, addressOf, clock: new FakeClock() });
  return { runtime, gateway };
}

type Parts = Partial<Observed> & { runtime?: Spied; gateway?: FakeGateway; past?: ServiceRecord; of?: typeof running | null };

async function runtimeWith(...slots: number[]): Promise<Spied> {
  const runtime = new Spied();
  const spec = {
    service: 'backend',
    color: 'green' as const,
    release: 'v2',
    deployment: 'new',
    command: ['x'],
    cwd: '/',
    env: {},
    stop: config.stop,
    container: null,
  };
  for (const slot of slots) await runtime.start({ ...spec, slot, address: `127.0.0.1:2000${slot}` });
  runtime.specs.length = 0;
  return runtime;
}

describe('start', () => {
  test('fills the release into command, folder and environment', async () => {
    const { runtime } = await does({ do: 'start', color: 'green', slots: [1] }, routeTo('blue'));
    expect(runtime.specs).toEqual([
      {
        service: 'backend',
        color: 'green',
        slot: 1,
        address: '127.0.0.1:20001',
        release: 'v2',
        deployment: 'new',
        command: ['run', '--release=v2'],
        cwd: '/srv/v2',
        env: { LABEL: 'app-v2', PLAIN: 'x' },
        stop: config.stop,
        container: null,
      },
    ]);
  });

  test('waits for all and rejects with the first error', async () => {
    const runtime = new Spied();
    runtime.failNextStart(new Error('no such program'));
    await expect(does({ do: 'start', color: 'green', slots: [1, 2] }, null, { runtime })).rejects.toThrow('no such program');
    expect((await runtime.list()).map((one) => one.slot)).toEqual([2]);
  });
});

describe('revive', () => {
  test('removes the dead one and starts the release that the route names', async () => {
    const runtime = await runtimeWith(1);
    runtime.crash((await runtime.list())[0]!.id);
    const route = routeTo('green', { green: { release: 'v7' } });
    const past = record({ deployments: [deployment({ id: 'seventh', release: 'v7', phase: 'live' })] });
    await does({ do: 'revive', color: 'green', slot: 1 }, route, { runtime, past, of: null });
    expect(await runtime.list()).toMatchObject([{ slot: 1, alive: true, release: 'v7', deployment: 'seventh' }]);
  });

  test('takes the release from the journal when the route is lost', async () => {
    const past = record({ flips: [flipTo('green', 'v3'), flipTo('blue', 'v4')] });
    const { runtime } = await does({ do: 'revive', color: 'green', slot: 1 }, null, { past, of: null });
    expect(runtime.specs).toMatchObject([{ release: 'v3', deployment: 'unknown' }]);
  });

  test('refuses to guess a release', async () => {
    await expect(does({ do: 'revive', color: 'green', slot: 1 }, null, { of: null })).rejects.toThrow('nobody knows');
  });
});

describe('the route', () => {
  test('names the new slots, not ready, when they are registered', async () => {
    const { gateway } = await does({ do: 'register', color: 'green' }, routeTo('blue'));
    expect(gateway.puts).toEqual([
      {
        active: 'blue',
        weights: { blue: 100, green: 0 },
        colors: { blue: warm('v1'), green: { slots: [1, 2], release: 'v2', ready: false } },
        by: 'deployment new',
        force: false,
      },
    ]);
  });

  test('gives all traffic to the new color, ready, when it is switched; the old one stays', async () => {
    const route = routeTo('blue', { green: { slots: [1, 2], release: 'v2' } });
    const { gateway } = await does({ do: 'switch', color: 'green' }, route);
    expect(gateway.held).toMatchObject({ active: 'green', weights: { blue: 0, green: 100 }, changedBy: 'deployment new' });
    expect(gateway.held?.colors).toEqual({ blue: warm('v1'), green: { slots: [1, 2], release: 'v2', ready: true } });
  });

  test('begins with the first switch', async () => {
    const { gateway } = await does({ do: 'switch', color: 'green' }, null);
    expect(gateway.held).toMatchObject({ generation: 1, active: 'green', colors: { blue: EMPTY } });
  });

  test('is seeded from the last flip', async () => {
    const past = record({ flips: [flipTo('green', 'v0'), flipTo('blue', 'v1', { slots: [2] })] });
    const { gateway } = await does({ do: 'seed', color: 'blue' }, null, { past, of: null });
    expect(gateway.held).toMatchObject({ active: 'blue', changedBy: 'sidecar', colors: { blue: warm('v1', 2) } });
  });

  test('loses readiness when a color retires, and is left alone when it has none', async () => {
    const ready = await does({ do: 'retire', color: 'green', reason: '' }, routeTo('blue', { green: warm('v0') }));
    expect(ready.gateway.held?.colors.green).toEqual({ ...warm('v0'), ready: false });
    const unready = await does({ do: 'retire', color: 'green', reason: '' }, routeTo('blue'));
    expect(unready.gateway.puts).toEqual([]);
  });

  test('names no slots of a cleared color', async () => {
    const { gateway } = await does({ do: 'clear', color: 'green' }, routeTo('blue', { green: warm('v0') }));
    expect(gateway.held?.colors).toEqual({ blue: warm('v1'), green: EMPTY });
  });

  test('becomes ready once every check has passed', async () => {
    const { gateway } = await does({ do: 'ready', color: 'green' }, routeTo('blue', { green: { slots: [1], release: 'v2' } }));
    expect(gateway.held).toMatchObject({ active: 'blue', colors: { green: warm('v2') } });
  });

  test('names other slots of a color when one is taken out', async () => {
    const route = routeTo('blue', { blue: { slots: [1, 2] }, green: warm('v0') });
    const { gateway } = await does({ do: 'reroute', color: 'blue', slots: [2], out: [1], why: 'sick' }, route, { of: null });
    expect(gateway.held?.colors).toEqual({ blue: warm('v1', 2), green: warm('v0') });
  });

  test('moves back in one write that takes readiness from the lost color, also when the disk is full', async () => {
    const route = routeTo('green', { blue: warm('v1', 1, 2), green: { release: 'v2' } });
    const { gateway } = await does({ do: 'switch-back', color: 'blue' }, route);
    expect(gateway.puts).toEqual([
      {
        active: 'blue',
        weights: { blue: 100, green: 0 },
        colors: { blue: warm('v1', 1, 2), green: { ...warm('v2'), ready: false } },
        by: 'deployment new',
        force: true,
      },
    ]);
  });

  test.each(['register', 'switch', 'clear'] as const)('is not changed by %s after a hand was faster', async (verb) => {
    const gateway = new FakeGateway(routeTo('blue', { green: warm('v0'), generation: 8 }));
    const decidedOn = routeTo('blue', { green: warm('v0'), generation: 7 });
    const late = does({ do: verb, color: 'green' }, decidedOn, { gateway });
    await expect(late).rejects.toMatchObject({ code: 'route-changed' });
    expect(gateway.held?.generation).toBe(8);
  });
});

describe('a replica', () => {
  test('that is sick is stopped once the route names it no more', async () => {
    const runtime = await runtimeWith(1, 2);
    const route = routeTo('green', { green: { slots: [1] } });
    await does({ do: 'replace', color: 'green', slot: 2 }, route, { runtime, of: null });
    expect((await runtime.list()).map((one) => one.slot)).toEqual([1]);
  });

  test('is not replaced when the route names it again', async () => {
    const runtime = await runtimeWith(1, 2);
    const gateway = new FakeGateway(routeTo('green', { green: { slots: [1, 2] } }));
    const late = does({ do: 'replace', color: 'green', slot: 2 }, routeTo('green'), { runtime, gateway, of: null });
    await expect(late).rejects.toMatchObject({ code: 'route-changed' });
    expect(await runtime.list()).toHaveLength(2);
  });
});

describe('stop', () => {
  const stop = (runtime: Spied) => ({
    do: 'stop' as const,
    color: 'green' as const,
    replicas: [...runtime.replicas.values()].map((r) => r.id),
  });

  test('ends the replicas that were named and no others', async () => {
    const runtime = await runtimeWith(1, 2);
    const [first] = await runtime.list();
    await does({ do: 'stop', color: 'green', replicas: [first!.id] }, routeTo('blue'), { runtime });
    expect((await runtime.list()).map((one) => one.slot)).toEqual([2]);
  });

  test.each([
    ['has traffic', routeTo('green')],
    ['is named', routeTo('blue', { green: warm('v0') })],
  ])('is refused at the last look when the color %s again', async (_, now) => {
    const runtime = await runtimeWith(1);
    const late = does(stop(runtime), routeTo('blue'), { runtime, gateway: new FakeGateway(now) });
    await expect(late).rejects.toMatchObject({ code: 'route-changed' });
    expect(await runtime.list()).toMatchObject([{ alive: true }]);
  });

  test('is refused while the gateway does not tell its route', async () => {
    const runtime = await runtimeWith(1);
    const gateway = new FakeGateway(routeTo('blue'));
    gateway.silent = true;
    await expect(does(stop(runtime), routeTo('blue'), { runtime, gateway })).rejects.toMatchObject({ code: 'gateway-unusable' });
    expect(await runtime.list()).toMatchObject([{ alive: true }]);
  });
});

test.each(['start', 'register', 'switch'] as const)('%s without a running deployment is a mistake that is told', async (verb) => {
  const step = { do: verb, color: 'green', slots: [1] } as Effect;
  await expect(does(step, routeTo('blue'), { of: null })).rejects.toThrow(`${verb} without a running deployment`);
});
