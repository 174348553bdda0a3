import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import type { Guard } from '../../njs/guard.ts';
import { otherColor } from '../../njs/route.ts';
import { faulty } from '../support/faulty.ts';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

const BAKE = { for: '60s', minRequests: 50, maxErrorRate: '1%' };

async function guard(): Promise<Guard | null> {
  return (JSON.parse((await turnout.control('GET', '/v1/guards/backend')).body) as { guard: Guard | null }).guard;
}

/** v1 is well; v2, which has just got the traffic and bakes, answers 30 % of its requests with a 500. */
async function baking(): Promise<void> {
  turnout = await Turnout.start({ service: faulty('export FAULT_ERROR_SHARE=30%', { bake: BAKE }) });
  expect((await turnout.cli('deploy', '--release', 'v2', '--no-wait')).code).toBe(0);
  await eventually('v2 bakes', async () => (await turnout.view()).deployment?.phase === 'baking');
}

/** nginx' workers; the master is left out. */
async function workers(): Promise<number[]> {
  const pids = new Set<number>();
  await eventually('both workers have answered', async () => {
    const { body } = await turnout.control('GET', '/v1/health');
    pids.add((JSON.parse(body) as { worker: number }).worker);
    return pids.size === 2;
  });
  return [...pids];
}

const nothing = async () => undefined;

test.each([
  ['while both workers are busy', nothing],
  [
    'with a worker killed',
    async () => {
      const [one] = await workers();
      process.kill(one as number, 'SIGKILL');
    },
  ],
  [
    'with a worker stopped',
    async () => {
      const [one] = await workers();
      process.kill(one as number, 'SIGSTOP');
    },
  ],
])(
  'the sidecar is dead and the new release goes bad: back on the old color in under 1 s, %s',
  { timeout: 120_000 },
  async (_how, hurt) => {
    await baking();
    expect(await guard()).toMatchObject({
      color: 'green',
      fallback: 'blue',
      generation: (await turnout.route()).generation,
      fired: null,
    });
    await turnout.endSidecar('SIGKILL');
    await hurt();
    // A stopped worker holds the connections that it has accepted: they are lost with it, and not what this is about.
    const load = startLoad({ origin: turnout.origin, connections: 32, mix: { get: 1 }, timeoutMs: 5000 });
    const breach = await eventually('the first errors', () => (load.failed > 0 ? performance.now() : null), 20_000);
    const moved = await eventually(
      'traffic is back',
      async () => ((await routeByFile()).active === 'blue' ? performance.now() : null),
      10_000,
    );
    await load.stop();
    const took = Math.round(moved - breach);
    const { fired } = (await eventually('the guard tells', () => guard().catch(() => null))) as Guard;
    console.log(JSON.stringify({ took, message: fired?.message }));
    expect(took).toBeLessThan(1000);
    expect(fired).toMatchObject({
      reason: 'error-rate',
      message: expect.stringMatching(/^\d+ of \d+ requests failed \(.* %\), the limit is 1 %$/),
    });

    await turnout.up();
    const ended = await eventually('the story is told', async () => {
      const { deployment } = await turnout.view();
      return deployment?.phase === 'rolled-back' ? deployment : null;
    });
    expect(ended).toMatchObject({
      release: 'v2',
      reason: 'error-rate',
      message: `${fired?.message}; the guard moved traffic back`,
    });
    await eventually('the guard is gone', async () => (await guard()) === null);
    await eventually('the bad release is gone', async () => (await turnout.view()).colors.green.replicas.length === 0, 40_000);
    expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).headers['x-release']).toBe('v1');
  },
);

/** The route as it lies on disk: also readable while a worker that holds the connection hangs. */
async function routeByFile(): Promise<{ active: string }> {
  return JSON.parse(await readFile(`${turnout.state}/gateway/routes/backend.json`, 'utf8')) as { active: string };
}

test('a guard never fires on a good release: 200 switches under load with 0.2 % errors and a limit of 1 %', {
  timeout: 300_000,
}, async () => {
  turnout = await Turnout.start({ service: { bake: BAKE, env: { FAULT_ERROR_SHARE: '0.2%' } } });
  expect((await turnout.cli('deploy', '--release', 'v2', '--no-wait')).code).toBe(0);
  await eventually('v2 bakes', async () => (await turnout.view()).deployment?.phase === 'baking');
  await turnout.endSidecar('SIGKILL');
  // Some 100 requests a second: there a single error is more than 1 % of what a look sees, and the share alone would convict.
  const load = startLoad({ origin: turnout.origin, connections: 2, mix: { slow: 1 }, slowMs: 15 });
  let judged = 0;
  for (let round = 0; round < 200; round++) {
    // As the sidecar does it: the guard first, with what was counted so far, then the switch.
    const route = await turnout.route();
    const color = otherColor(route.active);
    const traffic = JSON.parse((await turnout.control('GET', '/v1/traffic/backend')).body);
    const { finished, durations, failedOver } = traffic.colors[color];
    const armed = await turnout.control('PUT', '/v1/guards/backend', {
      deployment: `round-${round}`,
      generation: route.generation + 1,
      color,
      fallback: route.active,
      until: Date.now() + 60_000,
      limits: { minRequests: 25, maxErrorRate: 0.01, maxP99: null },
      epoch: traffic.epoch,
      baseline: { finished, durations, failedOver },
    });
    expect(armed.status, armed.body).toBe(200);
    const switched = await turnout.control('POST', `/v1/routes/backend/switch/${color}?force=1`, undefined, {
      'if-match': `"${route.generation}"`,
    });
    expect(switched.status, switched.body).toBe(200);
    // Long enough for several looks of the guard at as many requests as it needs.
    await new Promise((resolve) => setTimeout(resolve, 600));
    const after = await turnout.route();
    expect(after, turnout.diagnosis()).toMatchObject({ active: color, generation: route.generation + 1 });
    const present = await guard();
    expect(present?.fired ?? null).toBeNull();
    const now = JSON.parse((await turnout.control('GET', '/v1/traffic/backend')).body).colors[color];
    const count = (of: Record<string, number>) => Object.values(of).reduce((sum, one) => sum + one, 0);
    if (count(now.finished) - count(finished) >= 25) judged++;
  }
  const report = await load.stop();
  console.log(JSON.stringify({ switches: 200, judged, total: report.total, errors: report.failed }));
  expect(judged).toBe(200);
  expect(report.failed).toBeGreaterThan(10);
});

test('a flip by hand ends the watch', { timeout: 60_000 }, async () => {
  await baking();
  await turnout.endSidecar('SIGKILL');
  for (const color of ['blue', 'green']) {
    const flipped = await turnout.control('POST', `/v1/routes/backend/switch/${color}?force=1`);
    expect(flipped.status, flipped.body).toBe(200);
  }
  const load = startLoad({ origin: turnout.origin, connections: 16, mix: { get: 1 }, maxRequests: 5000 });
  const report = await load.done;
  expect(report.failed).toBeGreaterThan(500);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect((await turnout.route()).active).toBe('green');
  expect((await guard())?.fired).toBeNull();
});

test('what is no guard is refused, and other methods as well', async () => {
  turnout = await Turnout.start();
  const wrong = await turnout.control('PUT', '/v1/guards/backend', { deployment: 'd', generation: 1 });
  expect([wrong.status, wrong.body]).toEqual([400, expect.stringContaining('color is undefined')]);
  expect((await turnout.control('POST', '/v1/guards/backend')).status).toBe(405);
  expect((await turnout.control('GET', '/v1/guards/other')).status).toBe(404);
  expect((await turnout.control('DELETE', '/v1/guards/backend')).body).toContain('"guard":null');
});
