import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { faulty } from '../support/faulty.ts';
import { startLoad } from '../support/load.ts';
import { isRunning } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

async function start(fault: string, health = {}): Promise<void> {
  turnout = await Turnout.start({
    service: faulty(fault, { health: { path: '/health', interval: '100ms', retries: 15, ...health } }),
  });
}

test('a release that never gets healthy: exit 4, the old one serves all along, the process is gone, the message tells why', async () => {
  await start('export FAULT_UNHEALTHY_AFTER_S=0');
  const load = startLoad({ origin: turnout.origin, connections: 8 });
  load.expectColor('blue');
  const { code, stdout, stderr } = await turnout.cli('deploy', '--release', 'v2');
  const report = await load.stop();
  expect({ code, stdout }, stderr).toMatchObject({ code: 4 });
  // The last probe's answer and the last lines of its output.
  expect(stdout).toContain('answered 503');
  expect(stdout).toContain('"database":"unhealthy"');
  expect(stdout).toContain('expected 200');
  expect(stdout).toContain('release v2 begins');
  expect(stdout).toContain('v1 serves as before');
  expect({ failed: report.failed, stale: report.staleCount }, JSON.stringify(report)).toEqual({ failed: 0, stale: 0 });
  expect(report.byColor.green ?? 0).toBe(0);
  expect(report.total).toBeGreaterThan(100);
  const view = await turnout.view();
  expect(view).toMatchObject({ active: 'blue', colors: { green: { replicas: [], release: null, ready: false } } });
  // Only the sidecar, nginx (master and two workers) and v1's replica are left.
  const [serving] = await turnout.replicaPids('blue');
  expect(turnout.processes().filter((pid) => pid !== serving && commandOf(pid).includes('server.js'))).toEqual([]);
  expect(isRunning(serving as number)).toBe(true);
});

test('a release that exits at once: exit 4 with its exit code and its last words', async () => {
  await start('echo "cannot find the moon" >&2; exit 23');
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  expect(code).toBe(4);
  expect(stdout).toContain('exited with code 23');
  expect(stdout).toContain('cannot find the moon');
  expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { green: { replicas: [] } } });
});

test('a release that answers too late is not healthy', async () => {
  await start("exec node -e \"require('http').createServer(() => {}).listen(process.env.PORT, '127.0.0.1')\"", {
    timeout: '200ms',
  });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  expect(code).toBe(4);
  expect(stdout).toContain('gave no whole answer within 200 ms');
});

test('a release whose JSON is not what was expected is not healthy, and the message names the key', async () => {
  await start(':', { expect: { json: { redis: 'disabled', version: 'v1' } } });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  expect(code).toBe(4);
  expect(stdout).toContain('expected version to be "v1"');
});

test('after a failed deployment the next one goes to the same color and succeeds', async () => {
  await start('[ "$TURNOUT_RELEASE" = v3 ] || exit 1');
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(4);
  const { code, stderr } = await turnout.cli('deploy', '--release', 'v3');
  expect(code, stderr).toBe(0);
  expect(await turnout.view()).toMatchObject({ active: 'green', colors: { green: { release: 'v3' } } });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
