import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { ROOT, Turnout } from '../support/turnout.ts';

interface Terminated {
  event: 'SIGTERM';
  release: string;
  at: number;
  inFlight: number;
  /** Slots of its color that the route named then. */
  slots: number[];
}

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

const DRAIN_APP = ['node', join(ROOT, 'test/support/drain-app.js')];

/** The old color is not kept, so that it drains as soon as the new one is live. */
async function start(drain: string): Promise<void> {
  turnout = await Turnout.start({ service: { command: DRAIN_APP, keep: '0s', drain: { timeout: drain } } });
}

function terminated(): Terminated[] {
  const folder = join(turnout.state, 'logs/backend');
  const lines = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'));
  return lines.filter((line) => line.includes('SIGTERM')).map((line) => JSON.parse(line) as Terminated);
}

/** A request that is in flight in the serving color when this resolves. */
async function inFlight(
  ms: number,
): Promise<{ answer: Promise<{ status: number; body: string } | { error: string }>; ended: () => number }> {
  let endedAt = 0;
  const answer = call({ port: turnout.gatewayPort, method: 'GET', path: `/work?ms=${ms}` })
    .catch((error: Error) => ({ error: error.message }))
    .finally(() => {
      endedAt = Date.now();
    });
  await eventually('the request is in flight', async () => (await turnout.view()).colors.blue.inFlight === 1);
  return { answer, ended: () => endedAt };
}

test('a 5 s request started before the flip ends well, and only then the old release gets SIGTERM', async () => {
  await start('30s');
  const { answer, ended } = await inFlight(5000);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  expect(ended(), 'the deployment waited for the request').toBe(0);
  expect(await answer).toMatchObject({ status: 200, body: 'v1\n' });
  const [signal] = await eventually('SIGTERM', () => (terminated().length > 0 ? terminated() : null));
  expect(signal).toMatchObject({ release: 'v1', inFlight: 0 });
  expect(signal?.at).toBeGreaterThanOrEqual(ended());
  const [deployment] = await eventually('the receipt', async () => {
    const all = await turnout.deployments();
    return all[0]?.receipt?.retired ? all : null;
  });
  expect(deployment?.receipt?.retired).toMatchObject({ color: 'blue', inFlight: 0, limitHit: false });
});

test('the drain limit ends the wait for a request that does not end, and the receipt says so', async () => {
  await start('2s');
  const { answer } = await inFlight(20_000);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const switched = Date.now();
  const [signal] = await eventually('SIGTERM', () => (terminated().length > 0 ? terminated() : null), 8000);
  expect(signal).toMatchObject({ release: 'v1', inFlight: 1 });
  expect((signal?.at ?? 0) - switched, 'milliseconds from the switch to SIGTERM').toBeGreaterThanOrEqual(1500);
  await answer;
  const [deployment] = await eventually('the receipt', async () => {
    const all = await turnout.deployments();
    return all[0]?.receipt?.retired ? all : null;
  });
  expect(deployment?.receipt?.retired).toMatchObject({ color: 'blue', inFlight: 1, limitHit: true });
});

test('a new deployment evicts a warm color at once, but only after its requests have ended, and out of the route', async () => {
  turnout = await Turnout.start({ service: { command: DRAIN_APP } });
  const { answer, ended } = await inFlight(8000);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  expect((await turnout.view()).colors.blue.replicas, 'v1 is warm').toHaveLength(1);
  expect(ended(), 'the request ended before v3 was asked for: nothing is shown').toBe(0);
  expect((await turnout.cli('deploy', '--release', 'v3')).code).toBe(0);
  expect(await answer).toMatchObject({ status: 200, body: 'v1\n' });
  const [signal] = terminated();
  expect(signal).toMatchObject({ release: 'v1', inFlight: 0, slots: [] });
  expect(signal?.at).toBeGreaterThanOrEqual(ended());
  expect((signal?.at ?? 0) - ended(), 'milliseconds from the end of the request to SIGTERM').toBeLessThan(5000);
});

test('deployments that stop the old color right after the switch lose no slow request, and none stops within 1 s', async () => {
  turnout = await Turnout.start({ service: { command: DRAIN_APP, keep: '0s' } });
  const load = startLoad({ origin: turnout.origin, connections: 16, mix: { get: 1, slow: 9 }, slowMs: 1500 });
  const switchedAt: number[] = [];
  for (let n = 2; n < 6; n++) {
    expect((await turnout.cli('deploy', '--release', `v${n}`)).code).toBe(0);
    const [deployment] = await turnout.deployments();
    switchedAt.push(Date.parse(deployment?.startedAt ?? '') + (deployment?.receipt?.switchedAfterMs ?? 0));
  }
  await eventually('the last old one is gone', () => terminated().length >= 4);
  const report = await load.stop();
  const signals = terminated().sort((a, b) => a.at - b.at);
  expect(signals.map((one) => one.inFlight)).toEqual([0, 0, 0, 0]);
  for (const [index, at] of switchedAt.entries()) expect((signals[index]?.at ?? 0) - at).toBeGreaterThanOrEqual(990);
  expect(report.failed, JSON.stringify(report)).toBe(0);
  expect(report.total).toBeGreaterThan(50);
});
