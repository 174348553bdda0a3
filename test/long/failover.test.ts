import { afterEach, expect, test } from 'vitest';
import type { Traffic } from '../../njs/traffic.ts';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

async function traffic(): Promise<Traffic> {
  return JSON.parse((await turnout.control('GET', '/v1/traffic/backend')).body) as Traffic;
}

/** v2 serves from green, v1 is warm in blue. */
async function start(service: Record<string, unknown> = {}): Promise<void> {
  turnout = await Turnout.start({ service });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
}

test('the only replica of the serving color dies again and again under load: the warm color takes over, and every request is counted once', async () => {
  await start();
  const before = await traffic();
  const load = startLoad({ origin: turnout.origin, connections: 16, mix: { get: 9, echo: 1 } });
  for (let deaths = 0; deaths < 4; deaths++) {
    const share = load.total + 3000;
    await eventually('load', () => load.total > share, 30_000);
    const pid = await eventually('a replica', () => turnout.replicaPid('green').catch(() => null));
    process.kill(pid, 'SIGKILL');
    await eventually('another replica', async () => (await turnout.replicaPid('green').catch(() => pid)) !== pid, 20_000);
  }
  const report = await load.stop();
  // A POST that had been sent is never sent again: it is an honest 502. Nothing else is lost.
  const lost = report.failures.filter((one) => !(one.method === 'POST' && one.status === 502));
  expect(lost, JSON.stringify(report)).toEqual([]);
  expect(report.byColor.blue, 'answered by the warm color').toBeGreaterThan(0);
  const after = await eventually('nothing is in flight', async () => {
    const now = await traffic();
    return now.colors.blue.inFlight === 0 && now.colors.green.inFlight === 0 ? now : null;
  });
  const counted = (color: 'blue' | 'green') => {
    const all = Object.values(after.colors[color].finished).reduce((sum, count) => sum + count, 0);
    return all - Object.values(before.colors[color].finished).reduce((sum, count) => sum + count, 0);
  };
  const { failedOver } = after.colors.green;
  expect(failedOver).toBeGreaterThan(0);
  expect(after.colors.blue.failedOver).toBe(0);
  expect(counted('blue') + counted('green')).toBe(report.total);
  expect(after.colors.green.started - before.colors.green.started).toBe(counted('green') + failedOver);
  expect(after.colors.blue.started - before.colors.blue.started).toBe(failedOver);
});

test.each(['a color that is not ready takes nothing over', 'with failover: false nobody takes anything over'])(
  '%s',
  async (title) => {
    await start(title.includes('false') ? { failover: false } : {});
    await turnout.endSidecar('SIGKILL');
    if (!title.includes('false')) {
      const route = await turnout.route();
      const colors = { ...route.colors, blue: { ...route.colors.blue, ready: false } };
      expect((await turnout.control('PUT', '/v1/routes/backend', { ...route, colors })).status).toBe(200);
    }
    process.kill(await turnout.replicaPid('green'), 'SIGKILL');
    await eventually('502', async () => (await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).status === 502);
    expect((await traffic()).colors).toMatchObject({ green: { failedOver: 0 }, blue: { started: 0 } });
  },
);

test('what the application answers itself is passed on, 502 and 504 included', async () => {
  turnout = await Turnout.start({
    service: { command: ['node', `${import.meta.dirname}/../support/status-app.js`], health: '/?status=200' },
  });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  for (const status of [500, 502, 503, 504]) {
    const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: `/x?status=${status}` });
    expect({ status: answer.status, color: answer.headers['x-color'] }).toEqual({ status, color: 'green' });
  }
  expect((await traffic()).colors.green.failedOver).toBe(0);
});

test('with both colors down a request ends as one 502 and is counted as such', async () => {
  await start();
  await turnout.endSidecar('SIGKILL');
  for (const color of ['blue', 'green'] as const) process.kill(await turnout.replicaPid(color), 'SIGKILL');
  const answer = await eventually('502', async () => {
    const one = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' });
    return one.status === 502 ? one : null;
  });
  expect(answer.status).toBe(502);
  const { blue, green } = (await traffic()).colors;
  expect({ blue: blue.inFlight, green: green.inFlight }).toEqual({ blue: 0, green: 0 });
  expect(blue.finished['5xx']).toBe(green.failedOver);
});
