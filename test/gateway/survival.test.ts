import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually, isRunning } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** All processes of the gateway: nginx leads a process group of its own. */
function gatewayProcesses(master: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && groupOf(pid) === master && isRunning(pid));
}

function groupOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return -1;
  }
}

async function answers(): Promise<boolean> {
  const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' }).catch(() => null);
  return answer?.status === 200;
}

/** Milliseconds until the gateway serves this color again. */
async function untilServed(color: string, limit: number): Promise<number> {
  const started = performance.now();
  await eventually(
    `${color} is served again\n${turnout.diagnosis()}`,
    async () => {
      const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' }).catch(() => null);
      return answer?.status === 200 && answer.headers['x-color'] === color;
    },
    limit,
  );
  return Math.round(performance.now() - started);
}

test('SIGKILL of the sidecar under load loses nothing; the next one adopts replicas and route and can deploy', async () => {
  turnout = await Turnout.start({ service: { replicas: 2 } });
  const before = await turnout.view();
  const master = turnout.masterPid();
  const load = startLoad({ origin: turnout.origin, connections: 16 });
  await eventually('some load', () => load.total > 2000);
  await turnout.endSidecar('SIGKILL');
  const atDeath = load.total;
  await eventually('load without a sidecar', () => load.total > atDeath + 5000);
  await turnout.up();
  const after = await eventually('health is known again', async () => {
    const view = await turnout.view();
    return view.colors.blue.replicas.every((one) => one.health === 'healthy') ? view : null;
  });
  expect(after.colors.blue.replicas).toEqual(before.colors.blue.replicas);
  expect({ active: after.active, generation: after.generation }).toEqual({ active: 'blue', generation: before.generation });
  expect(turnout.masterPid()).toBe(master);
  const { code, stderr } = await turnout.cli('deploy', '--release', 'v2');
  expect(code, stderr).toBe(0);
  const report = await load.stop();
  expect(report.failed, `${JSON.stringify(report)}\n${turnout.diagnosis()}`).toBe(0);
  expect(report.byColor.green).toBeGreaterThan(0);
});

test('SIGKILL of the sidecar in the middle of a deployment: the next one finishes it', async () => {
  turnout = await Turnout.start({ service: { env: { FAULT_START_DELAY_S: 1.5 } } });
  const { stdout } = await turnout.cli('deploy', '--release', 'v2', '--no-wait');
  await eventually('the new replica is started', async () => (await turnout.view()).deployment?.phase === 'gating');
  const pid = await turnout.replicaPid('green');
  await turnout.endSidecar('SIGKILL');
  await turnout.up();
  await turnout.untilLive('green');
  expect(await turnout.replicaPid('green')).toBe(pid);
  const [deployment] = await turnout.deployments();
  expect(deployment).toMatchObject({ id: stdout.trim(), phase: 'live', release: 'v2' });
});

test('SIGKILL of the whole nginx, workers too: back within 2 s with the last route', async () => {
  turnout = await Turnout.start();
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const before = await turnout.route();
  const killed = gatewayProcesses(turnout.masterPid());
  expect(killed.length).toBeGreaterThanOrEqual(3);
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  const ms = await untilServed('green', 5000);
  console.log(`back after ${ms} ms`);
  expect(ms).toBeLessThanOrEqual(2000);
  expect(await turnout.route()).toEqual(before);
});

test('with the sidecar dead, <state>/gateway/start brings a killed nginx back with the last route', async () => {
  turnout = await Turnout.start();
  expect((await turnout.cli('switch', 'green')).code, 'green is empty').not.toBe(0);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  await turnout.endSidecar('SIGKILL');
  for (const pid of gatewayProcesses(turnout.masterPid())) process.kill(pid, 'SIGKILL');
  await eventually('nobody answers', async () => !(await answers()));
  await promisify(execFile)(join(turnout.state, 'gateway/start'));
  expect(await untilServed('green', 2000)).toBeLessThanOrEqual(2000);
  // Once more while it runs: it is left alone.
  const master = turnout.masterPid();
  const { stderr } = await promisify(execFile)(join(turnout.state, 'gateway/start'));
  expect(stderr).toContain(`runs already: its master is process ${master}`);
  expect(turnout.masterPid()).toBe(master);
});

test('SIGKILL of the master alone: the sidecar notices within 4 s, ends its workers and starts the gateway anew', async () => {
  turnout = await Turnout.start();
  const master = turnout.masterPid();
  const workers = gatewayProcesses(master).filter((pid) => pid !== master);
  process.kill(master, 'SIGKILL');
  const started = performance.now();
  await eventually(
    `a new master\n${turnout.diagnosis()}`,
    () => turnout.masterPid() !== master && isRunning(turnout.masterPid()),
    6000,
  );
  expect(performance.now() - started).toBeLessThanOrEqual(4000);
  expect(workers.filter(isRunning)).toEqual([]);
  await untilServed('blue', 1000);
});

test('SIGKILL of the master alone loses no request that its workers were answering', async () => {
  turnout = await Turnout.start();
  const slow = call({ port: turnout.gatewayPort, method: 'GET', path: '/slow?ms=1000' });
  await eventually('the request is in flight', async () => (await turnout.view()).colors.blue.inFlight === 1);
  process.kill(turnout.masterPid(), 'SIGKILL');
  expect((await slow).status).toBe(200);
  await untilServed('blue', 4000);
});

test('a gateway that hangs is noticed within 4 s, ended as a whole and started anew', async () => {
  turnout = await Turnout.start();
  const master = turnout.masterPid();
  const hung = gatewayProcesses(master);
  for (const pid of hung) process.kill(pid, 'SIGSTOP');
  const started = performance.now();
  await eventually(`the hung processes are gone\n${turnout.diagnosis()}`, () => !hung.some(isRunning), 8000);
  const noticed = Math.round(performance.now() - started);
  console.log(`noticed after ${noticed} ms`);
  expect(noticed).toBeLessThanOrEqual(4000);
  await untilServed('blue', 3000);
  expect(turnout.masterPid()).not.toBe(master);
});

test('Ctrl-C stops the gateway and every replica, adopted ones included; the next start serves the same release', async () => {
  turnout = await Turnout.start();
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  await turnout.endSidecar('SIGKILL');
  await turnout.up();
  expect(await turnout.endSidecar('SIGINT'), turnout.output).toBe(0);
  expect(turnout.processes()).toEqual([]);
  await turnout.up();
  await untilServed('green', 5000);
  expect((await turnout.view()).colors.green.release).toBe('v2');
});

test('a signal that comes while Turnout starts stops all of it', async () => {
  turnout = await Turnout.create();
  const starting = turnout.up();
  await eventually('the gateway has started', () => turnout.output.includes('gateway started'));
  expect(await turnout.endSidecar('SIGTERM'), turnout.output).toBe(0);
  await starting.catch(() => undefined);
  expect(turnout.processes()).toEqual([]);
});

test('a replica that dies while it serves is started again', async () => {
  turnout = await Turnout.start({ service: { replicas: 2 } });
  const pid = await turnout.replicaPid('blue', 1);
  process.kill(pid, 'SIGKILL');
  await eventually('a new replica is healthy', async () => {
    const [first] = (await turnout.view()).colors.blue.replicas;
    // Between two replicas there is no record for a moment.
    return first?.health === 'healthy' && (await turnout.replicaPid('blue', 1).catch(() => pid)) !== pid;
  });
});
