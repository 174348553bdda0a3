import { expect, test } from 'vitest';
import type { Verdict } from '../../../sidecar/health/verdict.ts';
import { event } from '../../support/builders-record.ts';
import { type Exposition, familyOf, parseExposition, valuesOf } from '../../support/exposition.ts';
import { startApi } from '../api/fake.ts';
import { Bench, bench, guardUntil } from './bench.ts';

const REQUESTS = 'turnout_gateway_requests_total';

/** Of one service; the others' own and the process' are none. */
function seriesOf({ samples }: Exposition, service: string): string[] {
  return samples.filter((one) => one.labels.service === service).map((one) => one.series);
}

test('names are those that Prometheus expects: our prefix, base units, _total on counters alone, help on each', async () => {
  const scrape = await (await bench()).scrape();
  for (const [name, { type, help }] of scrape.families) {
    expect(name).toMatch(/^(turnout|process|nodejs)_[a-z0-9_]+$/);
    expect(help, name).not.toBe('');
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name, 'a unit that is no base unit').not.toMatch(/_(ms|milliseconds|minutes|kb|mb|percent)(_|$)/);
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
  }
  for (const { name } of scrape.samples) familyOf(scrape, name);
});

test('what nginx has counted is told as it stands there', async () => {
  const made = await bench();
  made.gateway.finish('backend', 10, { failed: 3, bucket: 2 });
  made.gateway.finish('backend', 1, { bucket: 12 });
  made.gateway.hold('backend', 'blue', 4);
  const scrape = await made.scrape();
  expect(valuesOf(scrape, REQUESTS, 'color', 'code')).toMatchObject({
    'blue 2xx': 8,
    'blue 5xx': 3,
    'blue 499': 0,
    'green 2xx': 0,
  });
  expect(valuesOf(scrape, 'turnout_gateway_in_flight', 'color')).toEqual({ blue: 4, green: 0 });
  const buckets = valuesOf(scrape, 'turnout_gateway_request_duration_seconds_bucket', 'color', 'le');
  expect(buckets).toMatchObject({
    'blue 0.005': 0,
    'blue 0.01': 0,
    'blue 0.02': 10,
    'blue 10.24': 10,
    'blue +Inf': 11,
    'green +Inf': 0,
  });
  expect(valuesOf(scrape, 'turnout_gateway_request_duration_seconds_count', 'color')).toEqual({ blue: 11, green: 0 });
  // Ten in the middle of 10 to 20 ms, one that took at least 10.24 s.
  expect(valuesOf(scrape, 'turnout_gateway_request_duration_seconds_sum', 'color').blue).toBeCloseTo(10 * 0.015 + 10.24, 9);
});

test('what the route says is told: the active color, the generation, the releases', async () => {
  const made = await bench();
  await made.route('backend', 'green', { blue: 'v1', green: 'v2' });
  const scrape = await made.scrape();
  expect(valuesOf(scrape, 'turnout_active_color', 'color')).toEqual({ blue: 0, green: 1 });
  expect(valuesOf(scrape, 'turnout_generation', 'service')).toEqual({ backend: 2 });
  expect(valuesOf(scrape, 'turnout_release_info', 'color', 'release')).toEqual({ 'blue v1': 1, 'green v2': 1 });
});

test('the series of a release go with it', async () => {
  const made = await bench();
  const before = (await made.scrape()).samples.length;
  for (let n = 2; n < 30; n++) {
    const [active, releases] =
      n % 2 ? (['blue', { blue: `v${n}`, green: null }] as const) : (['green', { blue: null, green: `v${n}` }] as const);
    await made.route('backend', active, releases);
    made.services[0]!.running = [{ color: active }];
    const scrape = await made.scrape();
    expect(Object.keys(valuesOf(scrape, 'turnout_release_info', 'release'))).toEqual([`v${n}`]);
    expect(scrape.samples.length, 'series of other releases').toBeLessThanOrEqual(before + 27);
  }
  expect(JSON.stringify((await made.scrape()).samples)).not.toContain('v28');
});

test('the series of a service go with it, also what it has counted', async () => {
  const made = new Bench('backend', 'frontend');
  await made.route('frontend', 'blue', { blue: 'v1', green: null });
  made.happen({ ...event.retired('blue'), service: 'frontend' });
  expect(seriesOf(await made.scrape(), 'frontend').length).toBeGreaterThan(50);
  const [backend, frontend] = made.services;
  made.services = [backend!];
  const scrape = await made.scrape();
  expect(seriesOf(scrape, 'frontend')).toEqual([]);
  expect(seriesOf(scrape, 'backend').length).toBeGreaterThan(50);
  made.services = [backend!, frontend!];
  expect(valuesOf(await made.scrape(), 'turnout_drains_total', 'service', 'result')['frontend quiet']).toBe(0);
});

test.each(['quote " and \\ backslash', 'line\nbreak', '{}=,} 1', 'größe-α', '\\n', '"', '__proto__', ''])(
  'a release called %j is told as that',
  async (release) => {
    const made = await bench();
    await made.route('backend', 'blue', { blue: release, green: null });
    expect(Object.keys(valuesOf(await made.scrape(), 'turnout_release_info', 'release'))).toEqual([release]);
  },
);

test('while the gateway is away that is told, and nothing else of it: no zeros', async () => {
  const made = await bench();
  made.gateway.finish('backend', 10);
  made.gateway.silent = true;
  const scrape = await made.scrape();
  expect(valuesOf(scrape, 'turnout_gateway_up', 'service')).toEqual({ backend: 0 });
  for (const name of [REQUESTS, 'turnout_gateway_in_flight', 'turnout_active_color', 'turnout_generation', 'turnout_guard_armed'])
    expect(valuesOf(scrape, name, 'service'), name).toEqual({});
  expect(valuesOf(scrape, 'turnout_gateway_request_duration_seconds_count', 'service')).toEqual({});
  expect(valuesOf(scrape, 'turnout_replicas', 'color', 'state')).toMatchObject({ 'blue healthy': 1 });
  made.gateway.silent = false;
  expect(valuesOf(await made.scrape(), REQUESTS, 'color', 'code')['blue 2xx']).toBe(10);
});

test('a gateway that never answers holds a scrape up for a second and no longer', async () => {
  const made = await bench();
  made.gateway.traffics = () => new Promise(() => undefined);
  made.versions = () => new Promise(() => undefined);
  const scraping = made.scrape();
  expect(await made.clock.asleep()).toBe(1000);
  made.clock.advance(1000);
  expect(valuesOf(await scraping, 'turnout_gateway_up', 'service')).toEqual({ backend: 0 });
  expect(made.clock.sleeping).toEqual([]);
});

test('counters that begin anew are marked, in the very scrape that shows it', async () => {
  const made = await bench();
  const resets = async () => valuesOf(await made.scrape(), 'turnout_gateway_resets_total', 'service').backend;
  made.gateway.finish('backend', 10);
  expect(await resets()).toBe(0);
  expect(await resets()).toBe(0);
  made.gateway.restart();
  made.gateway.silent = true;
  expect(await resets(), 'not seen yet').toBe(0);
  made.gateway.silent = false;
  expect(await resets()).toBe(1);
  expect(await resets()).toBe(1);
});

test('deployments are counted by their end, and told by their phase while they run', async () => {
  const made = await bench();
  made.happen(event.accepted('d1', 'v2', 'green', 'v1'), 0);
  expect(valuesOf(await made.scrape(), 'turnout_deployment_phase', 'phase')).toMatchObject({ starting: 1, gating: 0, baking: 0 });
  made.happen(event.phase('d1', 'gating'), 2);
  made.happen(event.phase('d1', 'baking'), 5);
  expect(valuesOf(await made.scrape(), 'turnout_deployment_phase', 'phase')).toMatchObject({ starting: 0, gating: 0, baking: 1 });
  made.happen(event.phase('d1', 'rolled-back'), 65);
  const scrape = await made.scrape();
  const nothing = { live: 0, failed: 0, superseded: 0, 'needs-operator': 0 };
  expect(valuesOf(scrape, 'turnout_deployments_total', 'result')).toEqual({ ...nothing, 'rolled-back': 1 });
  expect(Object.values(valuesOf(scrape, 'turnout_deployment_phase', 'phase')).every((value) => value === 0)).toBe(true);
  const name = 'turnout_deployment_phase_duration_seconds';
  expect(valuesOf(scrape, `${name}_sum`, 'phase')).toMatchObject({ starting: 2, gating: 3, baking: 60, warming: 0 });
  expect(valuesOf(scrape, `${name}_bucket`, 'phase', 'le')).toMatchObject({
    'baking 30': 0,
    'baking 60': 1,
    'baking +Inf': 1,
    'gating 5': 1,
  });
});

test('a clock that was set back makes no phase shorter than nothing', async () => {
  const made = await bench();
  made.happen(event.accepted('d1', 'v2', 'green', 'v1'), 100);
  made.happen(event.phase('d1', 'failed'), 0);
  const name = 'turnout_deployment_phase_duration_seconds';
  const scrape = await made.scrape();
  expect(valuesOf(scrape, `${name}_sum`, 'phase').starting).toBe(0);
  expect(valuesOf(scrape, `${name}_count`, 'phase').starting).toBe(1);
});

test('switches are counted by who made them; whoever says so in X-Turnout-By makes no series', async () => {
  const made = await bench();
  made.happen(event.flip('green', 'v2', 'd1', 'deployment d1'));
  made.happen(event.flip('blue', 'v1', 'd1', 'guard'));
  for (let n = 0; n < 50; n++) made.happen(event.flip(n % 2 ? 'blue' : 'green', 'v2', null, `somebody ${n}`));
  const scrape = await made.scrape();
  expect(valuesOf(scrape, 'turnout_switches_total', 'by')).toEqual({ deployment: 1, guard: 1, manual: 50 });
  expect(valuesOf(scrape, 'turnout_guard_fired_total', 'service')).toEqual({ backend: 1 });
});

test('drains are counted by how they ended, and restarts of replicas', async () => {
  const made = await bench();
  made.happen(event.retired('blue'));
  made.happen(event.retired('green', 3, true));
  const outcome = { kind: 'outcome' as const, service: 'backend', deployment: null, detail: '' };
  made.happen({ ...outcome, step: 'revive blue 1', ok: true });
  made.happen({ ...outcome, step: 'revive blue 1', ok: false });
  made.happen({ ...outcome, step: 'reroute blue 1', ok: true });
  const scrape = await made.scrape();
  expect(valuesOf(scrape, 'turnout_drains_total', 'result')).toEqual({ quiet: 1, limit: 1 });
  expect(valuesOf(scrape, 'turnout_replica_restarts_total', 'service')).toEqual({ backend: 1 });
});

test('replicas are told by their state, also states that none is in', async () => {
  const made = await bench();
  made.services[0]!.running = [{ slot: 1 }, { slot: 2, health: 'unhealthy' }, { color: 'green', alive: false }];
  const told = valuesOf(await made.scrape(), 'turnout_replicas', 'color', 'state');
  expect(told).toEqual({
    'blue starting': 0,
    'blue healthy': 1,
    'blue unhealthy': 1,
    'blue dead': 0,
    'green starting': 0,
    'green healthy': 0,
    'green unhealthy': 0,
    'green dead': 1,
  });
});

test('health checks are counted, but not those that were never asked or that we ended ourselves', async () => {
  const made = await bench();
  const ending = new AbortController();
  const verdicts: Verdict[] = [
    { ok: true, answered: true, detail: '' },
    { ok: false, answered: true, detail: '' },
    { ok: false, answered: false, detail: '' },
    { ok: false, answered: false, unasked: true, detail: '' },
  ];
  const asked = { check: async () => verdicts.shift()! } as unknown as Parameters<typeof made.metrics.counting>[1];
  const ports = made.metrics.counting('backend', asked);
  const health = {} as Parameters<typeof ports.check>[1];
  for (let n = 0; n < 4; n++) await ports.check('', health, ending.signal);
  ending.abort();
  verdicts.push({ ok: true, answered: true, detail: '' });
  expect((await ports.check('', health, ending.signal)).ok).toBe(true);
  expect(valuesOf(await made.scrape(), 'turnout_probes_total', 'result')).toEqual({ ok: 1, failed: 2 });
});

test('a guard is armed while it may fire, and is asked for only while a deployment has traffic', async () => {
  const made = await bench();
  const armed = async () => valuesOf(await made.scrape(), 'turnout_guard_armed', 'service').backend;
  await made.gateway.arm(guardUntil(made.clock.date().getTime() + 60_000));
  expect(await armed()).toBe(0);
  made.happen(event.accepted('d1', 'v2', 'green', 'v1'));
  made.happen(event.phase('d1', 'baking'));
  expect(await armed()).toBe(1);
  made.clock.advance(60_000);
  expect(await armed(), 'its time is over').toBe(0);
});

test('a journal that takes nothing is told', async () => {
  const made = await bench();
  const writable = async () => valuesOf(await made.scrape(), 'turnout_journal_writable')[''];
  expect(await writable()).toBe(1);
  made.services[0]!.durable = false;
  expect(await writable()).toBe(0);
});

test('versions are told, and stay the last known while nginx is away', async () => {
  const made = await bench();
  const build = async () => Object.keys(valuesOf(await made.scrape(), 'turnout_build_info', 'version', 'nginx', 'njs'));
  expect(await build()).toEqual(['0.1.0 1.30.6 1.0.2']);
  made.versions = async () => {
    throw new Error('away');
  };
  expect(await build()).toEqual(['0.1.0 1.30.6 1.0.2']);
});

test('many who ask at once cost the gateway one look', async () => {
  const made = await bench();
  let looks = 0;
  const { gateway } = made;
  const traffics = gateway.traffics.bind(gateway);
  gateway.traffics = () => {
    looks++;
    return traffics();
  };
  const texts = await Promise.all(Array.from({ length: 50 }, () => made.metrics.scrape()));
  expect([looks, new Set(texts).size]).toEqual([1, 1]);
  await made.scrape();
  expect(looks).toBe(2);
});

test('no scrape has a value that is no number, however fast they follow each other', async () => {
  const made = await bench();
  // The parser throws on one.
  for (let n = 0; n < 20; n++) await made.scrape();
});

test('GET /metrics needs no token and is Prometheus text', async () => {
  const api = await startApi();
  const answer = await api.ask('GET', '/metrics', undefined, {});
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(parseExposition(answer.body).samples).toHaveLength(1);
  expect((await api.ask('POST', '/metrics', {}, {})).status).toBe(401);
});
