import { createServer } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { HealthConfig } from '../../../sidecar/config/config.ts';
import { check } from '../../../sidecar/health/check.ts';
import { HealthWatch, HealthWatches } from '../../../sidecar/health/watch.ts';
import { replica } from '../../support/builders.ts';
import { healthConfig } from '../../support/builders-config.ts';
import { FakeClock } from '../../support/clock.ts';
import { eventually, freePort } from '../../support/processes.ts';
import { listening, serving } from './servers.ts';

const INTERVAL = 3000;
let watch: HealthWatch | HealthWatches | undefined;
afterEach(() => watch?.end());

/** A replica that answers with the next of these statuses, and the last one for ever; watched on a clock of its own. */
async function watching(statuses: number[], parts: Partial<HealthConfig> = {}) {
  const clock = new FakeClock();
  const changes: string[] = [];
  let asked = 0;
  const address = await serving((_, answer) => {
    answer.writeHead(statuses[Math.min(asked++, statuses.length - 1)]!).end();
  });
  const config = healthConfig({ interval: INTERVAL, ...parts });
  const watched = new HealthWatch(replica({ address }), config, { clock, check }, () => changes.push(watched.health.state));
  watch = watched;
  const states: string[] = [];
  for (const _ of statuses) {
    clock.advance(await clock.asleep());
    states.push(watched.health.state);
  }
  return { states, changes, clock, watched, asked: () => asked };
}

test('until something answers, knocks come every 50 ms; then every interval', async () => {
  const clock = new FakeClock();
  const port = await freePort();
  const config = healthConfig({ interval: INTERVAL });
  const watched = new HealthWatch(replica({ address: `127.0.0.1:${port}` }), config, { clock, check }, () => {});
  watch = watched;
  for (let knock = 0; knock < 3; knock++) {
    expect(await clock.asleep()).toBe(50);
    expect(watched.health).toMatchObject({ state: 'starting', last: { ok: false, answered: false } });
    clock.advance(50);
  }
  await clock.asleep();
  await listening(
    createServer((_, answer) => void answer.writeHead(503).end()),
    port,
  );
  clock.advance(50);
  expect(await clock.asleep()).toBe(INTERVAL);
  expect(watched.health).toMatchObject({ state: 'starting', last: { answered: true } });
});

test('a replica that has once answered is not knocked at any more when it refuses', async () => {
  const clock = new FakeClock();
  const server = createServer((_, answer) => void answer.end());
  const address = await listening(server);
  watch = new HealthWatch(replica({ address }), healthConfig({ interval: INTERVAL }), { clock, check }, () => {});
  expect(await clock.asleep()).toBe(INTERVAL);
  await new Promise((resolve) => server.close(resolve));
  clock.advance(INTERVAL);
  expect(await clock.asleep()).toBe(INTERVAL);
});

test('successes must come in a row', async () => {
  const { states, changes } = await watching([200, 200, 503, 200, 200, 200], { successes: 3 });
  expect(states).toEqual(['starting', 'starting', 'starting', 'starting', 'starting', 'healthy']);
  expect(changes).toEqual(['healthy']);
});

test('failures must come in a row', async () => {
  const { states, changes } = await watching([200, 503, 503, 200, 503, 503, 503, 503, 200], { failures: 3 });
  expect(states.slice(5)).toEqual(['healthy', 'unhealthy', 'unhealthy', 'healthy']);
  expect(states.slice(0, 5)).toEqual(['healthy', 'healthy', 'healthy', 'healthy', 'healthy']);
  expect(changes).toEqual(['healthy', 'unhealthy', 'healthy']);
});

test('a replica that never was healthy keeps starting, however often it fails', async () => {
  const { states, watched } = await watching([503, 503, 503, 503], { failures: 1 });
  expect(new Set(states)).toEqual(new Set(['starting']));
  expect(watched.health.last?.detail).toMatch(/answered 503/);
});

test('the end of a watch ends its checks', async () => {
  const { clock, watched, asked } = await watching([200]);
  await clock.asleep();
  const before = asked();
  watched.end();
  expect(clock.sleeping).toEqual([]);
  clock.advance(10 * INTERVAL);
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked()).toBe(before);
});

test('the end of a watch gives up the check under way, and tells nobody of it', async () => {
  const clock = new FakeClock();
  let open = 0;
  const address = await serving((request) => {
    open++;
    request.socket.once('close', () => open--);
  });
  const watched = new HealthWatch(replica({ address }), healthConfig({ timeout: 60_000 }), { clock, check }, () =>
    expect.unreachable(),
  );
  await eventually('the check is under way', () => open === 1);
  watched.end();
  await eventually('the connection is closed', () => open === 0);
  expect(clock.sleeping).toEqual([]);
  expect(watched.health).toEqual({ state: 'starting', last: null });
});

test('the watches follow exactly the living replicas', async () => {
  const clock = new FakeClock();
  const address = await serving((_, answer) => void answer.end());
  const watches = new HealthWatches({ clock, check }, () => {});
  watch = watches;
  const [one, two] = [replica({ slot: 1, address }), replica({ slot: 2, address })];
  const config = healthConfig({ interval: INTERVAL });
  watches.follow([one, two, replica({ slot: 3, address, alive: false })], config);
  watches.follow([one, two], config);
  await eventually('both are healthy', () => [one, two].every((each) => watches.of(each).state === 'healthy'));
  await eventually('both rest', () => clock.sleeping.length === 2);
  watches.follow([one, { ...two, alive: false }], config);
  expect(clock.sleeping).toEqual([INTERVAL]);
  expect(watches.of(two)).toEqual({ state: 'starting', last: null });
  expect(watches.of(one).state).toBe('healthy');
});

test('another replica in the same slot begins anew', async () => {
  const clock = new FakeClock();
  const address = await serving((_, answer) => void answer.end());
  const watches = new HealthWatches({ clock, check }, () => {});
  watch = watches;
  watches.follow([replica({ id: 'first', address })], healthConfig());
  await eventually('it is healthy', () => watches.of(replica({ id: 'first' })).state === 'healthy');
  watches.follow([replica({ id: 'second', address })], healthConfig());
  expect(watches.of(replica({ id: 'second' }))).toEqual({ state: 'starting', last: null });
});
