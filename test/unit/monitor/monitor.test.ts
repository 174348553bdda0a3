import { beforeEach, describe, expect, test } from 'vitest';
import type { Color } from '../../../njs/route.ts';
import type { ServiceConfig } from '../../../sidecar/config/config.ts';
import { FakeGateway } from '../../../sidecar/gateway/fake.ts';
import type { Verdict } from '../../../sidecar/health/verdict.ts';
import type { HealthState } from '../../../sidecar/health/watch.ts';
import { HealthHistory } from '../../../sidecar/monitor/health-history.ts';
import { Monitor } from '../../../sidecar/monitor/monitor.ts';
import { FakeRuntime } from '../../../sidecar/runtime/fake.ts';
import type { Replica } from '../../../sidecar/runtime/runtime.ts';
import { makeSpec } from '../../contract/runtime-bench.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deployment, flipTo, record } from '../../support/builders-record.ts';
import { FakeClock } from '../../support/clock.ts';

const WELL: Verdict = { ok: true, answered: true, detail: 'answered 200' };
const ILL: Verdict = { ok: false, answered: true, detail: 'answered 503 hunter22' };

let clock: FakeClock;
let gateway: FakeGateway;
let runtime: FakeRuntime;
let monitor: Monitor;
let config: ServiceConfig;
let states: Map<string, HealthState>;
/** What the next checks come to; then all is well. */
let answers: Verdict[];
let engineAway: boolean;
const known = record();

beforeEach(async () => {
  clock = new FakeClock();
  gateway = new FakeGateway(['backend'], 3);
  runtime = new FakeRuntime();
  config = serviceConfig({ maxReplicas: 3 });
  states = new Map();
  answers = [];
  engineAway = false;
  Object.assign(known, record());
  const redact = (text: string) => text.replaceAll('hunter22', '${PW}');
  const monitored = {
    name: 'backend',
    record: known,
    replicas: async () => {
      if (engineAway) throw new Error('the engine is away');
      return (await runtime.list('backend')).map(
        (one) => ({ ...one, health: { state: states.get(one.id) ?? 'healthy', last: null } }) as const,
      );
    },
  };
  const check = async () => {
    const verdict = answers.shift() ?? WELL;
    return { ...verdict, detail: redact(verdict.detail) };
  };
  const addressOf = (_service: string, color: Color, slot: number) => `${color}:${slot}`;
  const ports = { gateway, runtime, clock, check, history: new HealthHistory(clock), addressOf, redact };
  monitor = new Monitor(monitored, () => config, ports);
  runtime.onExit((replica) => monitor.ended(replica));
});

async function remember(): Promise<void> {
  await monitor.remember(await gateway.traffic('backend'));
}

async function serve(...slots: number[]): Promise<Replica[]> {
  const replicas = [];
  for (const slot of slots) replicas.push(await start(slot));
  known.flips = [flipTo('blue', 'v1')];
  const colors = { blue: { slots, release: 'v1', ready: true }, green: { slots: [], release: null, ready: false } };
  await gateway.put('backend', { active: 'blue', weights: { blue: 100, green: 0 }, colors }, { ifMatch: 0, by: 'test' });
  return replicas;
}

async function start(slot = 1): Promise<Replica> {
  return runtime.start(await makeSpec({ slot, address: `127.0.0.1:${20_000 + slot}` }));
}

/** As `revive` does it. */
async function dieAndComeBack(replica: Replica): Promise<Replica> {
  runtime.output(replica.id, ['fault: no hunter22']);
  runtime.crash(replica.id);
  await remember();
  await runtime.stop(replica, { signal: 'SIGTERM', timeout: 0 });
  await remember();
  return start(replica.slot);
}

const report = async () => monitor.report({ smoke: false });
/** Fake time goes on while the report waits for its second try of a check. */
async function patiently<T>(answer: Promise<T>): Promise<T> {
  let done = false;
  void answer.finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.sleeping.length > 0) clock.advance(200);
  }
  return answer;
}

describe('a report', () => {
  test('tells of every replica how it is, what it uses and what it has been through', async () => {
    const [replica] = await serve(1);
    runtime.use(replica!.id, { cpu: 0.5, memory: 1000 });
    runtime.output(replica!.id, ['ERROR hunter22', 'fine']);
    for (let n = 0; n < 5; n++) {
      await remember();
      clock.advance(2000);
    }
    const { colors, active, verdict } = await report();
    expect({ active, state: verdict.state }).toEqual({ active: 'blue', state: 'healthy' });
    expect(colors).toHaveLength(1);
    expect(colors[0]).toMatchObject({ color: 'blue', release: 'v1', weight: 100, ready: true });
    expect(colors[0]?.replicas).toEqual([
      {
        name: 'blue-1',
        slot: 1,
        address: '127.0.0.1:20001',
        state: 'healthy',
        detail: 'answered 200',
        checks: { ok: 0, total: 0, flaps: 0 },
        resources: { cpu: 0.5, memory: 1000, growth: null },
        restarts: { total: 0, recent: 0, lastEnd: '' },
        errors: { total: 1, recent: 1, last: 'ERROR ${PW}' },
      },
    ]);
  });

  test('names the limits of the configuration, the lower where there are two', async () => {
    await serve(1);
    const { bake } = config;
    config = {
      ...config,
      resources: { cpus: 1, memory: 500 },
      bake: { ...bake, maxCpu: 0.8, maxMemory: 900, maxP99: 70, logErrors: { pattern: /no/, max: 2 } },
    };
    expect((await report()).limits).toEqual({
      minRequests: 50,
      maxErrorRate: 0.01,
      maxP99: 70,
      cpu: 0.8,
      memory: 500,
      errorLines: 2,
    });
  });

  test('uses the pattern of bake.logErrors where there is one', async () => {
    config = { ...config, bake: { ...config.bake, logErrors: { pattern: /^no/, max: 0 } } };
    const [replica] = await serve(1);
    runtime.output(replica!.id, ['ERROR', 'no way']);
    expect((await report()).colors[0]?.replicas[0]?.errors).toMatchObject({ total: 1, last: 'no way' });
  });

  test('a slot that the route names and nobody runs in is missing', async () => {
    const [, second] = await serve(1, 2);
    await runtime.stop(second!, { signal: 'SIGTERM', timeout: 0 });
    const { verdict, colors } = await report();
    expect(verdict).toMatchObject({ state: 'degraded', reason: 'replica-missing' });
    expect(colors[0]?.replicas[1]).toMatchObject({ name: 'blue-2', address: 'blue:2', state: 'missing' });
  });
});

describe('the health of a replica', () => {
  test('one bad answer to a fresh check is asked again, and changes nothing when the second is well', async () => {
    await serve(1);
    answers = [ILL, WELL];
    expect((await patiently(report())).verdict.state).toBe('healthy');
  });

  test('two bad answers make a healthy one failing, without the secrets that they quote', async () => {
    await serve(1);
    answers = [ILL, ILL];
    const { verdict } = await patiently(report());
    expect(verdict).toMatchObject({ state: 'degraded', reason: 'replica-failing' });
    expect(verdict.message).toContain('answered 503 ${PW}');
  });

  test('whom its watch finds unhealthy is so, and a well answer does not make it healthy at once', async () => {
    const [replica] = await serve(1);
    states.set(replica!.id, 'unhealthy');
    expect((await report()).verdict).toMatchObject({ state: 'unhealthy', reason: 'no-healthy-replica' });
  });

  test('after a restart of the sidecar, whom nobody has asked yet is asked, and counts as healthy', async () => {
    const [replica] = await serve(1);
    states.set(replica!.id, 'starting');
    expect((await report()).verdict.state).toBe('healthy');
  });

  test('a check that this machine could not make says nothing', async () => {
    await serve(1);
    answers = [
      { ok: false, answered: false, unasked: true, detail: 'EMFILE' },
      { ok: false, answered: false, unasked: true, detail: 'EMFILE' },
    ];
    expect((await patiently(report())).verdict.state).toBe('healthy');
  });
});

describe('restarts', () => {
  test('are counted over the lives of a slot, with how the one before ended and its last words', async () => {
    let [replica] = await serve(1);
    await remember();
    for (let n = 0; n < 3; n++) replica = await dieAndComeBack(replica!);
    const { colors, verdict } = await report();
    expect(colors[0]?.replicas[0]?.restarts).toEqual({
      total: 3,
      recent: 3,
      lastEnd: 'exited with code 1, saying "fault: no ${PW}"',
    });
    expect(verdict).toMatchObject({ state: 'unhealthy', reason: 'crash-loop' });
    for (let n = 0; n < 160; n++) {
      await remember();
      clock.advance(2000);
    }
    const later = await report();
    expect(later.colors[0]?.replicas[0]?.restarts).toMatchObject({ total: 3, recent: 0 });
    expect(later.verdict.state).toBe('healthy');
  });

  test('a dead one says how it ended', async () => {
    const [replica] = await serve(1);
    runtime.crash(replica!.id, { code: null, signal: 'SIGKILL' });
    expect((await report()).verdict.message).toBe('blue has no healthy replica: blue-1 is dead (was ended by SIGKILL)');
  });

  test('begin anew with another deployment in the slot', async () => {
    const [replica] = await serve(1);
    await dieAndComeBack(replica!);
    await remember();
    const [present] = await runtime.list();
    await runtime.stop(present!, { signal: 'SIGTERM', timeout: 0 });
    await runtime.start(await makeSpec({ deployment: 'd2' }));
    expect((await report()).colors[0]?.replicas[0]?.restarts).toEqual({ total: 0, recent: 0, lastEnd: '' });
  });
});

describe('the verdict', () => {
  test('is of one moment: a report during which the route changes is made again', async () => {
    const [replica] = await serve(1);
    states.set(replica!.id, 'unhealthy');
    await runtime.start(await makeSpec({ color: 'green' }));
    const { route } = gateway;
    let asked = 0;
    gateway.route = async (service) => {
      const seen = await route.call(gateway, service);
      // The switch comes right behind the first look.
      if (asked++ === 0) {
        const green = { slots: [1], release: 'v2', ready: true };
        const colors = { blue: { slots: [1], release: 'v1', ready: false }, green };
        await gateway.put('backend', { active: 'green', weights: { blue: 0, green: 100 }, colors }, { ifMatch: 1, by: 'test' });
      }
      return seen;
    };
    expect(await report()).toMatchObject({ active: 'green', generation: 2, verdict: { state: 'healthy' } });
  });

  test('a gateway that does not answer is unhealthy; with a runtime that is away too, nobody knows', async () => {
    await serve(1);
    gateway.silent = true;
    expect(await report()).toMatchObject({ active: null, verdict: { state: 'unhealthy', reason: 'gateway-silent' } });
    engineAway = true;
    expect((await report()).verdict).toMatchObject({ state: 'unknown', reason: 'nothing-seen' });
    gateway.silent = false;
    expect((await report()).verdict).toMatchObject({ state: 'degraded', reason: 'runtime-silent' });
  });

  test('errors in nginx convict what serves', async () => {
    await serve(1);
    await remember();
    gateway.finish('backend', 100, { failed: 30 });
    expect((await report()).verdict).toMatchObject({ state: 'unhealthy', reason: 'error-rate' });
  });

  test('a deployment that needs an operator counts until a hand has moved traffic', async () => {
    await serve(1);
    known.deployments.push(deployment({ phase: 'needs-operator', message: 'lost', finishedAt: '2026-01-01T00:00:00.000Z' }));
    expect((await report()).verdict).toMatchObject({ state: 'degraded', reason: 'needs-operator' });
    known.flips.push({ deployment: null, at: '2026-01-01T00:01:00.000Z', to: 'blue' } as (typeof known.flips)[0]);
    expect((await report()).verdict.state).toBe('healthy');
  });
});

describe('smoke checks', () => {
  const smoke = { path: '/api', timeout: 1000, expect: { status: 200, json: {} } };

  test('are made on demand, through nginx, of the slots that serve', async () => {
    config = { ...config, smoke: [smoke, { ...smoke, path: '/other' }] };
    await serve(1, 2);
    const asked: string[] = [];
    gateway.answer = (upstream, path) => {
      asked.push(`${upstream} ${path}`);
      return { status: path === '/api' ? 200 : 500, body: 'hunter22' };
    };
    expect((await report()).smoke).toBeNull();
    expect(asked).toEqual([]);
    const { smoke: made, verdict } = await monitor.report({ smoke: true });
    expect(asked.slice(0, 2)).toEqual(['backend.blue.1-2 /api', 'backend.blue.1-2 /other']);
    expect(made).toMatchObject({
      color: 'blue',
      checks: [
        { path: '/api', ok: true },
        { path: '/other', ok: false },
      ],
    });
    expect(verdict).toMatchObject({ state: 'degraded', reason: 'smoke' });
    expect(verdict.message).toContain('GET /other through nginx to backend.blue.1-2 answered 500 ${PW}, expected 200');
  });

  test('one without an answer fails by itself', async () => {
    config = { ...config, smoke: [smoke] };
    await serve(1);
    gateway.answer = () => {
      throw Object.assign(new Error('late'), { name: 'TimeoutError' });
    };
    expect((await monitor.report({ smoke: true })).smoke?.checks[0]?.detail).toMatch(/gave no whole answer within 1000 ms$/);
  });
});
