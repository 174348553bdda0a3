import { afterEach, expect, test } from 'vitest';
import type { Deployment } from '../../sidecar/store/deployment.ts';
import { faulty } from '../support/faulty.ts';
import { type Load, startLoad } from '../support/load.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;
let load: Load | undefined;

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await turnout?.destroy();
});

/** Deploys v2 under load and answers how it ended. */
async function deployUnderLoad(
  fault: string,
  service: Record<string, unknown>,
): Promise<{ code: number; stdout: string; deployment: Deployment }> {
  turnout = await Turnout.start({ service: faulty(fault, { bake: { for: '20s' }, ...service }) });
  load = startLoad({ origin: turnout.origin, connections: 8, mix: { get: 1 } });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  const [deployment] = await turnout.deployments();
  return { code, stdout, deployment: deployment as Deployment };
}

async function expectOldReleaseServes(): Promise<void> {
  expect(await turnout.view()).toMatchObject({
    active: 'blue',
    weights: { blue: 100, green: 0 },
    colors: { blue: { release: 'v1' }, green: { ready: false } },
  });
}

test('never healthy: failed, exit 4, with the last probe answer', async () => {
  const health = { path: '/health', interval: '100ms', retries: 30 };
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_UNHEALTHY_AFTER_S=0', { health });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({ code: 4, phase: 'failed', reason: 'unhealthy' });
  expect(stdout).toMatch(/not healthy within 3000 ms \(30 x 100 ms\).*answered 503/);
  expect(deployment.receipt).toMatchObject({ switchedAfterMs: null, failed: 0 });
  await expectOldReleaseServes();
});

test('database down after 3 s, in the bake: rolled back, exit 5, with the checks that failed', async () => {
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_UNHEALTHY_AFTER_S=3', {});
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({
    code: 5,
    phase: 'rolled-back',
    reason: 'unhealthy',
  });
  expect(stdout).toMatch(/failed 3 checks in a row; the last: .*answered 503 .*"database":"unhealthy"/);
  await expectOldReleaseServes();
});

test('20 % 5xx after the switch: rolled back, exit 5, with the share that convicted it', async () => {
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_ERROR_SHARE=20%', {});
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({
    code: 5,
    phase: 'rolled-back',
    reason: 'error-rate',
  });
  const [, failed, count] = /(\d+) of (\d+) requests failed \([\d.]+ %\), the limit is 1 %/.exec(stdout) ?? [];
  expect(Number(failed) / Number(count)).toBeGreaterThan(0.1);
  // Within 1 s of being visible: at some thousand requests a second, the old release is back before many more failed.
  const { switchedAfterMs } = deployment.receipt ?? {};
  const ended = Date.parse(deployment.finishedAt ?? '') - Date.parse(deployment.startedAt);
  expect(ended - (switchedAfterMs ?? 0), 'milliseconds from the switch to the end').toBeLessThan(1500);
  expect(deployment.receipt?.failed).toBeGreaterThan(0);
  await expectOldReleaseServes();
});

test('p99 over the limit: rolled back, exit 5, with the share of slow requests', async () => {
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_SLOW_MS=300', {
    bake: { for: '20s', maxP99: '100ms' },
  });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({ code: 5, phase: 'rolled-back', reason: 'p99' });
  // 100 ms lies between two bounds and counts as 160: so slow as to be sure is what convicts.
  expect(stdout).toMatch(/\d+ of \d+ requests \([\d.]+ %\) took longer than the p99 limit of 100 ms/);
  await expectOldReleaseServes();
});

test('exits after 5 s: rolled back, exit 5, with the exit code and its last words', async () => {
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_EXIT_AFTER_S=5', {});
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({
    code: 5,
    phase: 'rolled-back',
    reason: 'restarts',
  });
  expect(stdout).toContain('exited with code 1');
  expect(stdout).toContain('1 restarts, the limit is 0');
  expect(stdout).toContain('fault: exiting as told');
  await expectOldReleaseServes();
});

test('leaks memory: rolled back, exit 5, with the memory that convicted it', async () => {
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_LEAK_MB_PER_S=100', {
    bake: { for: '30s', maxMemory: '300m' },
  });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({
    code: 5,
    phase: 'rolled-back',
    reason: 'memory',
  });
  const [, used] = /slot 1 uses ([\d.]+) MiB, the limit is 300.0 MiB/.exec(stdout) ?? [];
  expect(Number(used)).toBeGreaterThan(300);
  await expectOldReleaseServes();
});

test('logs exceptions: rolled back, exit 5, with how many and the latest', async () => {
  const bake = { for: '20s', logErrors: { pattern: 'ERROR|Exception', max: 5 } };
  const { code, stdout, deployment } = await deployUnderLoad('export FAULT_LOG_ERRORS_PER_S=10', { bake });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({
    code: 5,
    phase: 'rolled-back',
    reason: 'log-errors',
  });
  expect(stdout).toMatch(/\d+ lines of output match \/ERROR\|Exception\/, the limit is 5; the latest: .*ERROR/);
  await expectOldReleaseServes();
});

test('burns the processor: rolled back, exit 5, with the cores it used', async () => {
  const burn = 'node -e "setInterval(() => { const end = Date.now() + 90; while (Date.now() < end); }, 100)" & true';
  const { code, stdout, deployment } = await deployUnderLoad(burn, { bake: { for: '40s', maxCpu: '50%' } });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({ code: 5, phase: 'rolled-back', reason: 'cpu' });
  expect(stdout).toMatch(/slot 1 used [\d.]+ cores over 5 s, the limit is 0.5/);
  await expectOldReleaseServes();
});

test('a good release under load passes its bake, and the receipt is conclusive', async () => {
  const { code, deployment } = await deployUnderLoad(':', { bake: { for: '3s' } });
  expect({ code, phase: deployment.phase, reason: deployment.reason }).toEqual({ code: 0, phase: 'live', reason: 'baked' });
  expect(deployment.receipt).toMatchObject({ failed: 0, inconclusive: false, gatewayRestarted: false });
  expect(deployment.receipt?.requests.green['2xx']).toBeGreaterThan(50);
});

test('no traffic in the bake: live, and inconclusive in the receipt', async () => {
  turnout = await Turnout.start({ service: { bake: { for: '1s' } } });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  expect(code).toBe(0);
  expect(stdout).toContain('inconclusive');
  const [deployment] = await turnout.deployments();
  expect(deployment).toMatchObject({ phase: 'live', receipt: { inconclusive: true } });
});

test('no traffic in the bake and onInconclusive: rollback: rolled back', async () => {
  turnout = await Turnout.start({ service: { bake: { for: '1s', onInconclusive: 'rollback' } } });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(5);
  const [deployment] = await turnout.deployments();
  expect(deployment).toMatchObject({ phase: 'rolled-back', reason: 'inconclusive' });
  await expectOldReleaseServes();
});
