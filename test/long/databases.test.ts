import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { describeWithDatabases } from '../support/debian.ts';
import { startLoad } from '../support/load.ts';
import { Postgres } from '../support/postgres.ts';
import { eventually } from '../support/processes.ts';
import { Redis } from '../support/redis.ts';
import { BACKEND, Turnout } from '../support/turnout.ts';

/** v1 has a Redis of its own, so that the color to go back to stays well whatever happens to the new release's. */
const COMMAND = ['sh', '-c', 'if [ "$TURNOUT_RELEASE" = v1 ]; then export REDIS_URL="$OLD_REDIS_URL"; fi; exec node "$BACKEND"'];

describeWithDatabases('a service that needs PostgreSQL and Redis', (binaries) => {
  let postgres: Postgres;
  let oldRedis: Redis;
  let redis: Redis;
  let turnout: Turnout;

  beforeAll(async () => {
    [postgres, oldRedis, redis] = await Promise.all([Postgres.start(binaries), Redis.start(binaries), Redis.start(binaries)]);
  });
  afterAll(async () => {
    await Promise.all([postgres, oldRedis, redis].map((server) => server?.destroy()));
  });
  afterEach(async () => {
    await turnout?.destroy();
    if (redis?.pid === null) await redis.start();
  });

  async function start(health = {}, service = {}): Promise<void> {
    const expected = {
      path: '/health',
      interval: '100ms',
      expect: { json: { database: 'healthy', redis: 'healthy' } },
      ...health,
    };
    const env = { BACKEND, DATABASE_URL: postgres.url, OLD_REDIS_URL: oldRedis.url, REDIS_URL: redis.url };
    turnout = await Turnout.start({ service: { command: COMMAND, env, health: expected, bake: { for: '0s' }, ...service } });
  }

  test('a release that reaches both goes live, without a request lost', async () => {
    await start();
    const load = startLoad({ origin: turnout.origin, connections: 8 });
    load.expectColor('blue');
    const { code, stderr } = await turnout.cli('deploy', '--release', 'v2');
    load.expectColor('green');
    const report = await load.stop();
    expect(code, stderr).toBe(0);
    expect(report.failed, JSON.stringify(report)).toBe(0);
    expect(await turnout.view()).toMatchObject({ active: 'green', colors: { green: { release: 'v2' } } });
  });

  test('Redis stops during the gate: exit 4, the message names redis, and the old release serves all along', async () => {
    // So many in a row that the gate is still open when Redis goes, though the release was well until then.
    await start({ successes: 30, retries: 80 });
    const load = startLoad({ origin: turnout.origin, connections: 8 });
    load.expectColor('blue');
    const deploying = turnout.cli('deploy', '--release', 'v2');
    await untilNewReleaseAnswered();
    await redis.stop();
    const { code, stdout, stderr } = await deploying;
    const report = await load.stop();
    expect({ code, stdout }, stderr).toMatchObject({ code: 4 });
    expect(stdout).toContain('"redis":"unhealthy"');
    expect(stdout).toContain('"database":"healthy"');
    expect({ failed: report.failed, green: report.byColor.green ?? 0 }, JSON.stringify(report)).toEqual({ failed: 0, green: 0 });
    const [deployment] = await turnout.deployments();
    expect(deployment).toMatchObject({ release: 'v2', phase: 'failed', reason: 'unhealthy' });
    expect(deployment?.message).toContain('redis');
    expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { green: { replicas: [], ready: false } } });
  });

  test('Redis stops during the bake: exit 5, rolled back by itself, traffic is on the old color again', async () => {
    await start({ failures: 3 }, { bake: { for: '20s' } });
    const load = startLoad({ origin: turnout.origin, connections: 8 });
    const deploying = turnout.cli('deploy', '--release', 'v2');
    await eventually('the bake', async () => (await turnout.deployments())[0]?.phase === 'baking');
    expect((await turnout.route()).weights).toEqual({ blue: 0, green: 100 });
    const stoppedAt = performance.now();
    await redis.stop();
    const { code, stdout, stderr } = await deploying;
    const took = performance.now() - stoppedAt;
    const report = await load.stop();
    expect({ code, stdout }, stderr).toMatchObject({ code: 5 });
    // Three failed checks 100 ms apart and the switch; far from the 20 s of the bake.
    expect(took).toBeLessThan(10_000);
    const [deployment] = await turnout.deployments();
    expect(deployment).toMatchObject({ release: 'v2', phase: 'rolled-back', reason: expect.stringContaining('unhealthy') });
    expect(deployment?.message).toContain('redis');
    expect((await turnout.route()).weights).toEqual({ blue: 100, green: 0 });
    expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { blue: { release: 'v1' }, green: { ready: false } } });
    expect(report.failed, JSON.stringify(report)).toBe(0);
  });

  /** The new release's health was good at least once. */
  async function untilNewReleaseAnswered(): Promise<void> {
    const { view } = await eventually('the gate', async () => {
      const view = await turnout.view();
      return view.deployment?.phase === 'gating' && view.colors.green.replicas.length > 0 ? { view } : null;
    });
    const address = view.colors.green.replicas[0]?.address;
    await eventually('the new release is healthy', () =>
      fetch(`http://${address}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  }
});
