import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import type { ServiceView } from '../../sidecar/deploy/view.ts';
import type { Deployment } from '../../sidecar/store/deployment.ts';
import { Compose } from '../support/compose.ts';
import { engineMissing } from '../support/docker.ts';
import type { LoadReport } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { type InsideLoad, SecondEngine, secondEngineMissing } from '../support/second-engine.ts';

const LIVE = ['--live-restore', '--userland-proxy=false'];
/** Milliseconds after which everything must be as before: many times what it takes. */
const BACK = 20_000;

describe.skipIf(engineMissing() ?? secondEngineMissing())('when the Docker daemon restarts', () => {
  let engine: SecondEngine;
  let compose: Compose;

  beforeAll(async () => {
    engine = await SecondEngine.start();
    await engine.load();
  }, 180_000);

  afterEach(async () => {
    await compose?.destroy();
  });

  afterAll(async () => {
    await engine?.destroy();
  });

  /** Two releases have been deployed, so that the route has something to remember. */
  async function started(flags: readonly string[], service: Record<string, unknown> = {}): Promise<ServiceView> {
    await engine.end('SIGTERM');
    await engine.begin([...flags]);
    compose = await Compose.start({ engine, service: { replicas: 2, bake: { for: '0s' }, ...service } });
    const { code, stderr } = await compose.cli('deploy', '--release', 'v2');
    expect(code, stderr).toBe(0);
    return compose.view();
  }

  /** What must be the same as before, whatever was started anew. */
  function served({ gateway, active, generation, weights, colors }: ServiceView): string {
    const replicas = Object.values(colors).map((color) =>
      color.replicas.map(({ slot, address, health }) => [slot, address, health]),
    );
    return JSON.stringify({ gateway, active, generation, weights, replicas });
  }

  async function settled(before: ServiceView): Promise<ServiceView> {
    let last = '';
    try {
      return await eventually(
        'everything is as before',
        async () => {
          const view = await compose.view().catch(() => null);
          if (view) last = served(view);
          return last === served(before) ? view : null;
        },
        BACK,
      );
    } catch (error) {
      throw new Error(`${last}\ninstead of\n${served(before)}\n${await compose.diagnosis()}`, { cause: error });
    }
  }

  async function enough(load: InsideLoad, more = 2000): Promise<void> {
    const { total, failed } = await load.counts();
    const good = async () => {
      const now = await load.counts();
      return now.total - now.failed > total - failed + more;
    };
    // As long as it takes: how fast the machine is today does not matter here.
    await eventually('load that is answered', good, 60_000);
  }

  /** Of every container: which address the engine has given it, and since when it runs. */
  async function containers(format = '{{.Name}} {{.Id}} {{.State.StartedAt}}'): Promise<string[]> {
    const ids = (await compose.docker('ps', '--all', '--quiet')).stdout.split('\n').filter(Boolean);
    return (await compose.docker('inspect', '--format', format, ...ids)).stdout.split('\n').filter(Boolean).sort();
  }

  async function expectReplicasAtTheirAddresses({ colors }: ServiceView): Promise<void> {
    const format = '{{index .Config.Labels "dev.turnout.color"}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    const wanted = (['blue', 'green'] as const).flatMap((color) =>
      colors[color].replicas.map(({ address }) => `${color} ${address.split(':')[0]}`),
    );
    expect(await containers(format)).toEqual(expect.arrayContaining(wanted));
  }

  async function expectRelease(release: string): Promise<void> {
    const { status, headers } = await compose.call({ port: compose.gatewayPort, method: 'GET', path: '/' });
    expect([status, headers['x-release']]).toEqual([200, release]);
  }

  async function expectDeployable(release: string): Promise<void> {
    const { code, stderr } = await compose.cli('deploy', '--release', release);
    expect(code, `${stderr}\n${await compose.diagnosis()}`).toBe(0);
    await expectRelease(release);
  }

  async function said(report: LoadReport): Promise<string> {
    return `${JSON.stringify(report, null, 1)}\n${await compose.diagnosis()}`;
  }

  test('everything comes back by itself, at its addresses and with the last route', { timeout: 180_000 }, async () => {
    const before = await started([]);
    const load = await engine.startLoad({ origin: compose.origin, connections: 16 });
    await enough(load);
    const at = performance.now();
    const endedAfter = await engine.end('SIGTERM');
    await engine.begin();
    const engineAfter = Math.round(performance.now() - at);
    const after = await settled(before);
    const settledAfter = Math.round(performance.now() - at);
    await enough(load);
    const report = await load.stop();
    const { total, failed, outageMs } = report;
    console.log(JSON.stringify({ endedAfter, engineAfter, settledAfter, outageMs, total, failed }));
    expect(outageMs, await said(report)).toBeLessThan(BACK);
    await expectReplicasAtTheirAddresses(after);
    await expectRelease('v2');
    await expectDeployable('v1');
  });

  test('after a daemon that was killed `docker compose up` brings everything back', { timeout: 180_000 }, async () => {
    const before = await started([]);
    await engine.end('SIGKILL');
    await engine.begin();
    // Docker ends what it finds running then, and takes that for a stop by somebody.
    await eventually('nothing runs', async () => (await compose.docker('ps', '--quiet')).stdout === '', BACK);
    const at = performance.now();
    await compose.up();
    const serving = ({ active, colors }: ServiceView) =>
      JSON.stringify([active, colors.green.replicas.map(({ slot, address, health }) => [slot, address, health])]);
    const after = await eventually(
      'the last route and its replicas are back',
      async () => {
        const view = await compose.view().catch(() => null);
        return view && serving(view) === serving(before) ? view : null;
      },
      BACK,
    );
    console.log(JSON.stringify({ settledAfter: Math.round(performance.now() - at) }));
    await expectReplicasAtTheirAddresses(after);
    await expectRelease('v2');
    await expectDeployable('v1');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'with live-restore and without the userland proxy no request is lost, and the sidecar touches nothing: %s',
    { timeout: 180_000 },
    async (signal) => {
      const before = await started(LIVE);
      const ran = await containers();
      const load = await engine.startLoad({ origin: compose.origin, connections: 16, color: before.active as string });
      await enough(load);
      const endedAfter = await engine.end(signal);
      // So many that what nginx has to say meanwhile, which nobody reads, is more than a pipe takes (64 KiB).
      await enough(load, 15_000);
      const begunAt = performance.now();
      await engine.begin(LIVE);
      const engineAfter = Math.round(performance.now() - begunAt);
      const after = await settled(before);
      const settledAfter = Math.round(performance.now() - begunAt);
      await enough(load, 5000);
      const report = await load.stop();
      const { total, failed, outageMs } = report;
      console.log(JSON.stringify({ signal, endedAfter, engineAfter, settledAfter, outageMs, total, failed }));
      expect([report.failed, report.wrongBodies, report.staleCount], await said(report)).toEqual([0, 0, 0]);
      expect(settledAfter - engineAfter).toBeLessThan(5000);
      expect(await containers()).toEqual(ran);
      const ids = ({ colors }: ServiceView) => Object.values(colors).map(({ replicas }) => replicas.map(({ id }) => id));
      expect(ids(after)).toEqual(ids(before));
      await expectReplicasAtTheirAddresses(after);
      await expectDeployable('v1');
    },
  );

  test.each([
    ['goes on with live-restore', LIVE, ['live']],
    ['ends as what it is without', [], ['live', 'failed']],
  ] as const)('a deployment that waits for its new replicas %s', { timeout: 180_000 }, async (_, flags, phases) => {
    const before = await started(flags, { warm: [{ get: '/slow?ms=400', count: 20 }] });
    const load = await engine.startLoad({ origin: compose.origin, connections: 8 });
    const accepted = await compose.api('POST', '/v1/services/backend/deployments', { release: 'v1', force: true });
    const { id } = JSON.parse(accepted.body) as { id: string };
    const look = async () => JSON.parse((await compose.api('GET', `/v1/deployments/${id}`)).body) as Deployment;
    await eventually('it is under way', async () => ['gating', 'warming'].includes((await look()).phase), BACK);
    await engine.end('SIGTERM');
    await engine.begin([...flags]);
    const ended = await eventually(
      'it has ended',
      async () => {
        const seen = await look().catch(() => null);
        return seen && ['live', 'failed', 'rolled-back'].includes(seen.phase) ? seen : null;
      },
      60_000,
    );
    await enough(load);
    const report = await load.stop();
    console.log(
      JSON.stringify({ flags, phase: ended.phase, message: ended.message, outageMs: report.outageMs, failed: report.failed }),
    );
    expect(phases, `${ended.message}\n${await compose.diagnosis()}`).toContain(ended.phase);
    await expectRelease(ended.phase === 'live' ? 'v1' : 'v2');
    const after = await compose.view();
    expect(after.active === before.active).toBe(ended.phase !== 'live');
    if (flags.length > 0) expect(report.failed, await said(report)).toBe(0);
    await expectDeployable(ended.phase === 'live' ? 'v2' : 'v1');
  });
});
