import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { call } from '../support/http.ts';
import { eventually } from '../support/processes.ts';
import { ROOT, Turnout } from '../support/turnout.ts';

interface Terminated {
  event: 'SIGTERM';
  release: string;
  at: number;
  inFlight: number;
}

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** The old color is not kept, so that it drains as soon as the new one is live. */
async function start(drain: string): Promise<void> {
  const command = ['node', join(ROOT, 'test/support/drain-app.js')];
  turnout = await Turnout.start({ service: { command, keep: '0s', drain: { timeout: drain } } });
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

test('a new deployment evicts a warm color at once, but only after its requests have ended', async () => {
  turnout = await Turnout.start({ service: { command: ['node', join(ROOT, 'test/support/drain-app.js')] } });
  const { answer, ended } = await inFlight(3000);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  expect((await turnout.view()).colors.blue.replicas, 'v1 is warm').toHaveLength(1);
  expect((await turnout.cli('deploy', '--release', 'v3')).code).toBe(0);
  expect(await answer).toMatchObject({ status: 200, body: 'v1\n' });
  const [signal] = terminated();
  expect(signal).toMatchObject({ release: 'v1', inFlight: 0 });
  expect(signal?.at).toBeGreaterThanOrEqual(ended());
});
