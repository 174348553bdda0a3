import { afterEach, expect, test } from 'vitest';
import { otherColor } from '../../njs/route.ts';
import { Compose } from '../support/compose.ts';
import { call } from '../support/http.ts';
import { type LoadReport, startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';

const REQUESTS = 100_000;
const FLIPS = 20;
const DEPLOYMENTS = 5;

let compose: Compose;

afterEach(async () => {
  await compose?.destroy();
});

const started = (service: Record<string, unknown> = {}) =>
  Compose.start({ service: { replicas: 2, bake: { for: '0s' }, ...service } });

async function active(): Promise<'blue' | 'green'> {
  return (await compose.view()).active as 'blue' | 'green';
}

async function said(report: LoadReport): Promise<string> {
  return `${JSON.stringify(report, null, 1)}\n${await compose.diagnosis()}`;
}

test('no request is lost at the published port through 20 flips and 5 deployments of 2 replicas', {
  timeout: 300_000,
}, async () => {
  compose = await started();
  expect((await compose.cli('deploy', '--release', 'v2')).code).toBe(0);
  const first = await active();
  const load = startLoad({ origin: compose.origin, connections: 32 });
  load.expectColor(first);
  const share = REQUESTS / (FLIPS + DEPLOYMENTS);
  const phases: string[] = [];
  for (let round = 0; round < FLIPS + DEPLOYMENTS; round++) {
    const target = otherColor(await active());
    load.flipStarted(target);
    if (round % 5 === 4) {
      const { code, stdout, stderr } = await compose.cli(
        'deploy',
        '--json',
        '--release',
        round % 2 === 0 ? 'v1' : 'v2',
        '--force',
      );
      expect(code, stderr).toBe(0);
      const deployment = JSON.parse(stdout.trim().split('\n').at(-1) as string);
      phases.push(`${deployment.receipt.switchedAfterMs} ms`);
    } else {
      const answer = await compose.api('POST', '/v1/services/backend/switch', { color: target });
      expect(answer.status, answer.body).toBe(200);
    }
    load.expectColor(target);
    await eventually('its share of the load', () => load.total >= (round + 1) * share, 60_000);
  }
  const report = await load.stop();
  const { total, checked, perSecond, longestGapMs, byColor } = report;
  console.log(
    JSON.stringify({ flips: FLIPS, deployments: DEPLOYMENTS, total, checked, perSecond, longestGapMs, byColor, phases }),
  );
  expect([report.failed, report.wrongBodies, report.staleCount], await said(report)).toEqual([0, 0, 0]);
  expect(total).toBeGreaterThanOrEqual(REQUESTS);
  expect(checked).toBe(total);
});

test('the old containers are stopped right after the switch, and nothing that they had begun is lost', {
  timeout: 180_000,
}, async () => {
  // The example ends gracefully when it is asked to, and the other color would take over what it loses: killed and alone, it
  // shows whether anything was in flight.
  compose = await started({ keep: '0s', stop: { signal: 'SIGKILL', timeout: '1s' }, failover: false });
  const load = startLoad({ origin: compose.origin, connections: 32, mix: { get: 1, slow: 1 }, slowMs: 1500 });
  for (const release of ['v2', 'v1', 'v2']) {
    const old = await active();
    expect((await compose.cli('deploy', '--release', release)).code).toBe(0);
    await eventually(`${old} is gone`, async () => (await compose.view()).colors[old].replicas.length === 0, 40_000);
  }
  const report = await load.stop();
  console.log(JSON.stringify({ total: report.total, failed: report.failed }));
  expect(report.failed, await said(report)).toBe(0);
  const [last] = await compose.deployments();
  expect(last?.receipt?.retired).toMatchObject({ inFlight: 0, limitHit: false });
});

test('the sidecar restarted in the middle of a deployment: no request is lost and the deployment goes on', {
  timeout: 180_000,
}, async () => {
  compose = await started({ warm: [{ get: '/slow?ms=300', count: 20 }] });
  const load = startLoad({ origin: compose.origin, connections: 16 });
  for (const [phase, release] of [
    ['starting', 'v2'],
    ['warming', 'v1'],
    ['live', 'v2'],
  ]) {
    const accepted = await compose.api('POST', '/v1/services/backend/deployments', { release });
    const { id } = JSON.parse(accepted.body) as { id: string };
    const look = async () =>
      JSON.parse((await compose.api('GET', `/v1/deployments/${id}`)).body) as { phase: string; message: string };
    await eventually(`it is ${phase}`, async () => (await look()).phase === phase, 30_000);
    expect((await compose.docker('restart', '--time', '0', await compose.container('sidecar'))).code).toBe(0);
    const ended = await eventually(
      'it has ended',
      async () => {
        const seen = await look().catch(() => null);
        return seen && ['live', 'failed', 'rolled-back'].includes(seen.phase) ? seen : null;
      },
      60_000,
    );
    expect(ended.phase, ended.message).toBe('live');
    expect((await call({ port: compose.gatewayPort, method: 'GET', path: '/' })).headers['x-release']).toBe(release);
  }
  const report = await load.stop();
  console.log(JSON.stringify({ total: report.total, failed: report.failed, longestGapMs: report.longestGapMs }));
  expect(report.failed, await said(report)).toBe(0);
  expect(report.total).toBeGreaterThan(5000);
});

test('one of two replicas killed under load: no GET is lost, a lost POST is an honest 502, and the replica is back', {
  timeout: 180_000,
}, async () => {
  compose = await started();
  const load = startLoad({ origin: compose.origin, connections: 16, mix: { get: 9, echo: 1 } });
  for (const how of ['docker kill', 'the host pid', 'docker kill']) {
    const share = load.total + 3000;
    await eventually('load', () => load.total >= share, 60_000);
    const container = compose.replica(await active(), 1);
    const before = await compose.inspect(container, '{{.State.StartedAt}}');
    if (how === 'docker kill') expect((await compose.docker('kill', container)).code).toBe(0);
    else process.kill(Number(await compose.inspect(container, '{{.State.Pid}}')), 'SIGKILL');
    await eventually(
      `${how}: another replica is healthy in the route`,
      async () => {
        const color = (await compose.view()).colors[await active()];
        const one = color.replicas.find(({ slot }) => slot === 1);
        return one?.health === 'healthy' && (await compose.inspect(container, '{{.State.StartedAt}}')) !== before;
      },
      30_000,
    );
  }
  const report = await load.stop();
  const lost = report.failures.filter((one) => !(one.method === 'POST' && one.status === 502));
  console.log(JSON.stringify({ total: report.total, failed: report.failed, byStatus: report.byStatus }));
  expect(lost, await said(report)).toEqual([]);
  expect(report.failed).toBe(report.failures.length);
});

test.each(['its host pid killed', 'docker kill'])(
  'the gateway is back within 3 s with the last route: %s',
  { timeout: 120_000 },
  async (how) => {
    compose = await started();
    expect((await compose.cli('deploy', '--release', 'v2')).code).toBe(0);
    const gateway = await compose.container('gateway');
    const before = await compose.inspect(gateway, '{{.State.StartedAt}}');
    const at = performance.now();
    if (how === 'docker kill') expect((await compose.docker('kill', gateway)).code).toBe(0);
    else process.kill(Number(await compose.inspect(gateway, '{{.State.Pid}}')), 'SIGKILL');
    const answer = await eventually(
      'it answers again',
      async () => {
        if ((await compose.inspect(gateway, '{{.State.StartedAt}}')) === before) return null;
        return call({ port: compose.gatewayPort, method: 'GET', path: '/' }).catch(() => null);
      },
      20_000,
    );
    const took = Math.round(performance.now() - at);
    console.log(JSON.stringify({ how, took }));
    expect(answer.headers['x-release']).toBe('v2');
    expect(took).toBeLessThan(3000);
  },
);

test('a gateway that hangs is ended and started anew', { timeout: 120_000 }, async () => {
  compose = await started();
  const gateway = await compose.container('gateway');
  const before = await compose.inspect(gateway, '{{.State.StartedAt}}');
  const { stdout } = await compose.docker('top', gateway, '-o', 'pid');
  for (const pid of stdout.split('\n').slice(1).filter(Boolean)) process.kill(Number(pid), 'SIGSTOP');
  await eventually(
    'it was started anew',
    async () => (await compose.inspect(gateway, '{{.State.StartedAt}}')) !== before,
    20_000,
  );
  const answer = await eventually('it answers', () =>
    call({ port: compose.gatewayPort, method: 'GET', path: '/' }).catch(() => null),
  );
  expect(answer.headers['x-release']).toBe('v1');
});

test('a gateway that somebody has stopped stays stopped', { timeout: 120_000 }, async () => {
  compose = await started();
  const gateway = await compose.container('gateway');
  expect((await compose.docker('stop', gateway)).code).toBe(0);
  const logs = () => compose.compose('logs', '--no-color', 'sidecar');
  await eventually('the sidecar has seen it', async () => (await logs()).stdout.includes('gateway was stopped'), 10_000);
  expect(await compose.inspect(gateway, '{{.State.Running}}')).toBe('false');
});
