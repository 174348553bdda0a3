import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { BUCKETS, type Traffic } from '../../njs/traffic.ts';
import { call } from '../support/http.ts';
import { eventually } from '../support/processes.ts';
import { StatusLoad } from '../support/status-load.ts';
import { ROOT, Turnout } from '../support/turnout.ts';

const REQUESTS = 100_000;
const FLIPS = 50;

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** Answers with the status and after the time that the query asks for. */
const service = { command: ['node', `${ROOT}/test/support/status-app.js`] };

async function traffic(): Promise<Traffic> {
  return JSON.parse((await turnout.control('GET', '/v1/traffic/backend')).body) as Traffic;
}

test('100,000 requests of mixed status and duration over 50 flips and a reload: every figure agrees to the request', {
  timeout: 240_000,
}, async () => {
  turnout = await Turnout.start({ service });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const before = await traffic();
  const load = new StatusLoad(turnout.gatewayPort, { connections: 32, requests: REQUESTS });
  let active: 'blue' | 'green' = (await turnout.route()).active;
  for (let flip = 1; flip <= FLIPS; flip++) {
    await eventually('a share of the requests', () => load.finished >= (flip * REQUESTS) / (FLIPS + 2), 60_000);
    active = active === 'blue' ? 'green' : 'blue';
    expect((await turnout.control('POST', `/v1/routes/backend/switch/${active}`)).status).toBe(200);
    // As `nginx -s reload` does: counters outlive it.
    if (flip === FLIPS / 2) process.kill(turnout.masterPid(), 'SIGHUP');
  }
  const counted = await load.done;
  const after = await eventually('nothing is in flight', async () => {
    const now = await traffic();
    return now.colors.blue.inFlight + now.colors.green.inFlight === 0 ? now : null;
  });
  expect(counted.lost, 'requests that the reload cost: idle connections that it closed').toBeLessThanOrEqual(64);
  for (const color of ['blue', 'green'] as const) {
    const started = after.colors[color].started - before.colors[color].started;
    const finished = Object.fromEntries(
      Object.entries(after.colors[color].finished).map(([status, count]) => [
        status,
        count - (before.colors[color].finished[status] ?? 0),
      ]),
    );
    expect(finished, color).toEqual({ '1xx': 0, '499': 0, ...counted.byColor[color] });
    expect(started).toBe(Object.values(counted.byColor[color]).reduce((sum, count) => sum + count, 0));
    // Durations: the application waits at least so long, and nginx adds at most what the generator saw itself.
    const slow =
      after.colors[color].durations.slice(6).reduce((sum, count) => sum + count, 0) -
      before.colors[color].durations.slice(6).reduce((sum, count) => sum + count, 0);
    expect(slow, 'slower than 160 ms').toBeGreaterThanOrEqual(counted.slowerThan200[color]);
    expect(slow).toBeLessThanOrEqual(counted.seenSlowerThan160[color]);
  }
  expect(counted.total).toBe(REQUESTS);
});

test('a receipt equals the generator own count, and a restart of nginx shows as one', { timeout: 60_000 }, async () => {
  turnout = await Turnout.start({ service: { ...service, bake: { for: '5s', maxErrorRate: '100%' } } });
  // What was answered before the deployment was accepted is none of its receipt's.
  await new StatusLoad(turnout.gatewayPort, { connections: 8, requests: 500 }).done;
  const { stdout } = await turnout.cli('deploy', '--release', 'v2', '--hold', '--no-wait');
  await eventually('waiting', async () => (await turnout.view()).deployment?.phase === 'waiting');
  const load = new StatusLoad(turnout.gatewayPort, { connections: 8, requests: 5000 });
  await eventually('some requests before the switch', () => load.finished > 1500);
  void turnout.cli('promote');
  const counted = await load.done;
  expect(counted.lost).toBe(0);
  const deployment = await eventually('the end', async () => {
    const [newest] = await turnout.deployments();
    return newest?.receipt ? newest : null;
  });
  expect(deployment).toMatchObject({ id: stdout.trim(), phase: 'live' });
  for (const color of ['blue', 'green'] as const) {
    expect(deployment.receipt?.requests[color], color).toEqual({ '1xx': 0, '499': 0, ...counted.byColor[color] });
  }
  expect(deployment.receipt?.failed).toBe(counted.byColor.blue['5xx'] + counted.byColor.green['5xx']);
  expect(counted.byColor.blue['2xx']).toBeGreaterThan(0);
  expect(counted.byColor.green['2xx']).toBeGreaterThan(0);
  const { epoch } = await traffic();
  process.kill(-turnout.masterPid(), 'SIGKILL');
  await eventually('another epoch', async () => (await traffic().catch(() => ({ epoch }))).epoch !== epoch);
});

test('a crashed worker leaves nothing in flight', async () => {
  turnout = await Turnout.start({ service });
  const load = new StatusLoad(turnout.gatewayPort, { connections: 16, requests: 1_000_000 });
  await eventually('load', () => load.finished > 2000);
  const { readFileSync } = await import('node:fs');
  const workers = readFileSync(`/proc/${turnout.masterPid()}/task/${turnout.masterPid()}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  process.kill(workers[0] as number, 'SIGKILL');
  await load.stop();
  await eventually('nothing is in flight', async () => {
    const { colors } = await traffic();
    return colors.blue.inFlight === 0;
  });
  const { colors } = await traffic();
  expect(colors.blue.started).toBeGreaterThanOrEqual(Object.values(colors.blue.finished).reduce((sum, count) => sum + count, 0));
});

test('a request that the client gave up is a 499, and no error of the release', async () => {
  turnout = await Turnout.start({ service });
  const GIVEN_UP = 20;
  const calls = Array.from({ length: GIVEN_UP }, () => {
    const given = request({ host: '127.0.0.1', port: turnout.gatewayPort, path: '/?status=200&ms=20000', agent: false });
    given.on('error', () => undefined);
    given.end();
    return given;
  });
  await eventually('all are in flight', async () => (await traffic()).colors.blue.inFlight === GIVEN_UP);
  for (const one of calls) one.destroy();
  await eventually('nothing is in flight', async () => (await traffic()).colors.blue.inFlight === 0);
  expect((await traffic()).colors.blue.finished).toMatchObject({ '499': GIVEN_UP, '4xx': 0, '5xx': 0 });
});

test('each request is counted in the bucket of its duration', async () => {
  turnout = await Turnout.start({ service });
  const { durations: before } = (await traffic()).colors.blue;
  const seen: number[] = [];
  const asked = [7, 15, 30, 60, 120, 250, 500, 1000].flatMap((ms) => [ms, ms, ms]);
  for (const ms of asked) {
    const started = performance.now();
    await call({ port: turnout.gatewayPort, method: 'GET', path: `/?status=200&ms=${ms}` });
    seen.push(performance.now() - started);
  }
  const { durations } = (await traffic()).colors.blue;
  const over = (times: number[], bound: number) => times.filter((ms) => ms > bound).length;
  for (const [index, bound] of BUCKETS.entries()) {
    const counted = durations.slice(index + 1).reduce((sum, count, at) => sum + count - (before[index + 1 + at] ?? 0), 0);
    expect(counted, `slower than ${bound} ms`).toBeGreaterThanOrEqual(over(asked, bound));
    // nginx counts whole milliseconds.
    expect(counted, `slower than ${bound} ms`).toBeLessThanOrEqual(over(seen, bound - 1));
  }
});
