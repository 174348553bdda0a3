import { afterEach, expect, test } from 'vitest';
import { Compose } from '../support/compose.ts';
import { call } from '../support/http.ts';
import { eventually } from '../support/processes.ts';

let compose: Compose;

afterEach(async () => {
  await compose?.destroy();
});

async function answers(): Promise<{ status: number; release: string | undefined }> {
  const { status, headers } = await call({ port: compose.gatewayPort, method: 'GET', path: '/' });
  return { status, release: headers['x-release'] };
}

test('docker compose up, deploy, roll back, stop, start, restart and down, as docs/docker.md shows it', {
  timeout: 180_000,
}, async () => {
  compose = await Compose.start();
  expect(await answers()).toEqual({ status: 200, release: 'v1' });

  const deployed = await compose.cli('deploy', 'backend', '--release', 'v2');
  expect(deployed.code, deployed.stderr).toBe(0);
  expect(await answers()).toEqual({ status: 200, release: 'v2' });
  expect((await compose.cli('rollback')).code).toBe(0);
  expect(await answers()).toEqual({ status: 200, release: 'v1' });

  // Nobody of ours listens anywhere but on the loopback address; the sidecar is not root and has no capability.
  const ports = await compose.docker('ps', '--filter', `name=^${compose.name}-`, '--format', '{{.Ports}}');
  expect(
    ports.stdout
      .match(/[\d.:]+->/g)
      ?.map((one) => one.replace(/:\d+->/, ''))
      .sort(),
  ).toEqual(['127.0.0.1', '127.0.0.1']);
  const status = await compose.compose(
    'exec',
    '--no-TTY',
    'sidecar',
    'sh',
    '-c',
    'cat /proc/$(cat /var/lib/turnout/lock | grep -o "[0-9]*" | head -1)/status',
  );
  expect(status.stdout).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m);
  expect(status.stdout).toMatch(/^CapEff:\t0+$/m);
  expect(status.stdout).toMatch(/^CapBnd:\t0+$/m);

  for (const service of ['gateway', 'sidecar']) {
    const container = await compose.container(service);
    const health = () => compose.inspect(container, '{{.State.Health.Status}}');
    await eventually(`the ${service} is healthy by its own check`, async () => (await health()) === 'healthy', 30_000);
  }

  // `stop` and `start` keep the replicas, and the address and route are what they were.
  const before = await compose.view();
  expect((await compose.compose('stop')).code).toBe(0);
  expect(await compose.inspect(compose.replica('blue', 1), '{{.State.Running}}')).toBe('true');
  expect((await compose.compose('start')).code).toBe(0);
  await eventually('it serves again', async () => (await answers().catch(() => null))?.release === 'v1', 20_000);
  const after = await eventually('the sidecar knows its replicas', () => compose.view().catch(() => null), 20_000);
  expect(after.generation).toBe(before.generation);
  expect(after.colors.blue.replicas.map(({ id, address }) => [id, address])).toEqual(
    before.colors.blue.replicas.map(({ id, address }) => [id, address]),
  );

  expect((await compose.compose('restart', '--no-deps', 'gateway')).code).toBe(0);
  await eventually('it serves again', async () => (await answers().catch(() => null))?.release === 'v1', 20_000);
  expect(await compose.inspect(compose.replica('blue', 1), '{{.State.Running}}')).toBe('true');

  // `down` leaves nothing.
  expect((await compose.compose('down')).code).toBe(0);
  expect(await compose.leftovers()).toEqual([]);

  // The volumes are still there: the next `up` goes on with the last route.
  await compose.up();
  await eventually('v1 serves again', async () => (await answers().catch(() => null))?.release === 'v1', 60_000);
});

test('nobody but the owner gets at the control socket and the routes', { timeout: 120_000 }, async () => {
  compose = await Compose.start();
  for (const service of ['gateway', 'sidecar']) {
    const listed = await compose.compose('exec', '--no-TTY', service, 'stat', '-c', '%a %u %g', '/var/lib/turnout/gateway');
    expect(listed.stdout.trim(), service).toBe('700 10001 10001');
  }
  const stranger = await compose.compose('exec', '--no-TTY', '--user', '1000', 'sidecar', 'ls', '/var/lib/turnout/gateway');
  expect(stranger.code).not.toBe(0);
});

test('what does not become healthy never serves, and leaves nothing behind', { timeout: 120_000 }, async () => {
  compose = await Compose.start({ service: { health: { path: '/health', retries: 3 } } });
  const missing = await compose.cli('deploy', 'backend', '--release', 'v7');
  expect([missing.code, missing.stdout]).toEqual([4, expect.stringContaining('turnout-example:v7')]);
  expect(await compose.inspect(compose.replica('green', 1), '{{.Id}}')).toBe('');
  expect(await answers()).toEqual({ status: 200, release: 'v1' });
  // Without its database the example is not healthy.
  expect((await compose.compose('stop', 'postgres')).code).toBe(0);
  const sick = await compose.cli('deploy', 'backend', '--release', 'v2');
  expect([sick.code, sick.stdout]).toEqual([4, expect.stringContaining('database')]);
  expect(await compose.inspect(compose.replica('green', 1), '{{.Id}}')).toBe('');
  expect((await answers()).release).toBe('v1');
});
