import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { MonitorReport } from '../../sidecar/monitor/report.ts';
import { faulty } from '../support/faulty.ts';
import { type Load, startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { BACKEND, ROOT, Turnout } from '../support/turnout.ts';

let turnout: Turnout;
let load: Load | undefined;

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await turnout?.destroy();
});

const BURN = 'node -e "setInterval(() => { const end = Date.now() + 90; while (Date.now() < end); }, 100)" & true';
const GREEN = { state: 'healthy', reason: 'healthy' };

async function report(query = ''): Promise<MonitorReport> {
  const { status, body } = await turnout.api('GET', `/v1/services/backend/monitor${query}`);
  expect(status, body).toBe(200);
  return JSON.parse(body) as MonitorReport;
}

async function liveWith(fault: string, service: Record<string, unknown> = {}, connections = 8): Promise<void> {
  turnout = await Turnout.start({ service: faulty(fault, service) });
  if (connections > 0) load = startLoad({ origin: turnout.origin, connections, mix: { get: 1 } });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
}

/** `turnout logs` in the background. */
function follow(...words: string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'build/turnout.js'), 'logs', '-f', turnout.file, ...words]);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const following = {
    output: '',
    interrupt: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
  child.stdout.on('data', (text: Buffer) => {
    following.output += text.toString();
  });
  return following;
}

interface Fault {
  name: string;
  fault: string;
  service?: Record<string, unknown>;
  connections?: number;
  state: 'degraded' | 'unhealthy';
  reason: RegExp;
  says: RegExp;
  /** Milliseconds until the verdict has to be right. */
  within: number;
}

const FAULTS: Fault[] = [
  {
    name: 'slow answers',
    fault: 'export FAULT_SLOW_MS=300',
    service: { bake: { for: '0s', maxP99: '100ms' } },
    state: 'degraded',
    reason: /^p99$/,
    says: /^green: \d+ of \d+ requests \([\d.]+ %\) took longer than the p99 limit of 100 ms/,
    within: 20_000,
  },
  {
    name: 'errors',
    fault: 'export FAULT_ERROR_SHARE=20%',
    state: 'unhealthy',
    reason: /^error-rate$/,
    says: /^green: \d+ of \d+ requests failed \([\d.]+ %\), the limit is 1 %/,
    within: 10_000,
  },
  {
    name: 'a database that goes down',
    fault: 'export FAULT_UNHEALTHY_AFTER_S=3',
    state: 'unhealthy',
    reason: /^no-healthy-replica$/,
    says: /green-1 is unhealthy \(GET .*\/health answered 503 .*"database":"unhealthy"/,
    within: 15_000,
  },
  {
    name: 'a crash loop',
    fault: 'export FAULT_EXIT_AFTER_S=2',
    state: 'unhealthy',
    reason: /^crash-loop$/,
    says: /^crash loop: green-1 was started again \d+ times in the last 5 min; the one before exited with code 1, saying "fault: exiting as told"/,
    within: 30_000,
  },
  {
    name: 'a leak, without any limit',
    fault: 'export FAULT_LEAK_MB_PER_S=3',
    connections: 2,
    state: 'degraded',
    reason: /^memory-grows$/,
    says: /^green-1 uses [\d.]+ MiB and grows steadily, by [\d.]+ MiB a minute/,
    within: 90_000,
  },
  {
    name: 'a leak, near its limit',
    fault: 'export FAULT_LEAK_MB_PER_S=50',
    service: { bake: { for: '0s', maxMemory: '200m' } },
    connections: 2,
    state: 'degraded',
    reason: /^memory$/,
    says: /^green-1 uses [\d.]+ MiB, \d+ % of its limit of 200.0 MiB/,
    within: 30_000,
  },
  {
    name: 'errors in the log',
    fault: 'export FAULT_LOG_ERRORS_PER_S=1',
    connections: 2,
    state: 'degraded',
    reason: /^log-errors$/,
    says: /^green-1 wrote \d+ error lines in the last minute, 5 may be; the latest: ERROR Exception in handler: fault number \d+/,
    within: 20_000,
  },
  {
    name: 'a burnt processor',
    fault: BURN,
    // As little as a busy machine leaves to it.
    service: { bake: { for: '0s', maxCpu: '20%' } },
    connections: 0,
    state: 'degraded',
    reason: /^cpu$/,
    says: /^green-1 uses [\d.]+ cores, \d+ % of its limit of 0.2/,
    within: 40_000,
  },
];

test.each(FAULTS)('$name: the verdict is right, names the fault, and is the exit code', async (one) => {
  await liveWith(one.fault, one.service, one.connections);
  let last: unknown;
  const found = await eventually(
    `${one.name} is found`,
    async () => {
      await sleep(200);
      const { verdict } = await report();
      last = verdict;
      return verdict.state === one.state && one.reason.test(verdict.reason) ? verdict : null;
    },
    one.within,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; the last verdict: ${JSON.stringify(last)}\n${turnout.output.slice(-3000)}`);
  });
  expect(found.message).toMatch(one.says);
  const { code, stdout } = await turnout.cli('monitor');
  expect(code, stdout).toBe(one.state === 'degraded' ? 10 : 11);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${one.state} \\(${found.reason}\\): `));
});

test('a crash loop is unhealthy while nobody runs, and says how the last one ended', async () => {
  await liveWith('export FAULT_EXIT_AFTER_S=1', {}, 2);
  const found = await eventually(
    'nobody runs',
    async () => {
      const { verdict } = await report();
      return verdict.reason === 'no-healthy-replica' ? verdict : null;
    },
    30_000,
  );
  expect(found.state).toBe('unhealthy');
  expect(found.message).toMatch(/green has no healthy replica: green-1 is (dead \(exited with code 1\)|starting|missing)/);
});

test('a healthy service under load is healthy 100 times of 100, also during a deployment and right after it', async () => {
  turnout = await Turnout.start({
    service: { smoke: [{ get: '/' }], bake: { for: '3s', maxP99: '2s', maxMemory: '1g', maxCpu: 4 } },
  });
  load = startLoad({ origin: turnout.origin, connections: 4, mix: { get: 1 } });
  const verdicts: unknown[] = [];
  const ask = async () => {
    const { state, reason, message } = (await report()).verdict;
    verdicts.push(state === 'healthy' ? { state, reason } : { state, reason, message });
  };
  for (let n = 0; n < 30; n++) await ask();
  const deploying = turnout.cli('deploy', '--release', 'v2');
  let deployed: number | null = null;
  void deploying.then(({ code }) => {
    deployed = code;
  });
  while (deployed === null) await ask();
  expect(deployed).toBe(0);
  const during = verdicts.length - 30;
  // As long as it takes to tell a leak from a warm-up.
  for (let n = 0; n < 100; n++) {
    await ask();
    await sleep(500);
  }
  expect(verdicts).toEqual(verdicts.map(() => GREEN));
  expect(during).toBeGreaterThan(10);
  for (const words of [[], ['--smoke'], ['backend', '--json']]) {
    const { code, stdout, stderr } = await turnout.cli('monitor', ...words);
    expect(code, stdout + stderr).toBe(0);
  }
  const { stdout } = await turnout.cli('monitor', '--smoke');
  expect(stdout).toMatch(/smoke \/: ok/);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^healthy: green serves v2, 1 of 1 replicas healthy, \d+ requests in the last minute, 0 failed$/,
  );
});

test('a service without traffic is healthy, with two replicas, through a deployment that leaves nothing warm', async () => {
  turnout = await Turnout.start({ service: { replicas: 2, keep: '0s', bake: { for: '1s' } } });
  const verdicts: unknown[] = [];
  let deployed: number | null = null;
  void turnout.cli('deploy', '--release', 'v2').then(({ code }) => {
    deployed = code;
  });
  while (deployed === null || verdicts.length < 100) {
    const { state, reason, message } = (await report()).verdict;
    verdicts.push(state === 'healthy' ? { state, reason } : { state, reason, message });
    await sleep(50);
  }
  expect(verdicts).toEqual(verdicts.map(() => GREEN));
  expect(deployed).toBe(0);
});

test('one of two replicas that hangs is degraded, and named', async () => {
  turnout = await Turnout.start({ service: { replicas: 2, health: { path: '/health', interval: '100ms', timeout: '300ms' } } });
  const pid = await turnout.replicaPid('blue', 2);
  process.kill(pid, 'SIGSTOP');
  const found = await eventually('it is found', async () => {
    const { verdict } = await report();
    return verdict.state === 'healthy' ? null : verdict;
  });
  expect(found.state).toBe('degraded');
  expect(found.message).toMatch(
    /^blue-2 is (failing|unhealthy) .*gave no whole answer within 300 ms.*1 of 2 replicas are healthy/,
  );
});

test('logs are those of the serving color without its secrets, and following goes on when a replica dies', async () => {
  const said = 'echo "password is $PASSWORD"; exec node "$BACKEND"';
  const env = { PASSWORD: '${LOGS_TEST_PASSWORD}', BACKEND };
  turnout = await Turnout.start({ service: { command: ['sh', '-c', said], env }, env: { LOGS_TEST_PASSWORD: 'hunter22' } });
  const { code, stdout } = await turnout.cli('logs');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^password is \$\{LOGS_TEST_PASSWORD\}\nbackend v1 \(blue\/1\) listens on /);
  expect((await turnout.cli('logs', 'backend', 'green')).stdout).toBe('');
  const json = await turnout.cli('logs', '--tail', '1', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ slot: 1, color: 'blue', line: expect.stringContaining('listens on') });

  const following = follow('--follow', '--tail', '1');
  await eventually('the last line is there', () => following.output.includes('listens on'));
  process.kill(await turnout.replicaPid('blue'), 'SIGKILL');
  await eventually('the next replica is heard', () => following.output.match(/listens on/g)?.length === 2, 15_000);
  expect(following.output.match(/^password is \$\{LOGS_TEST_PASSWORD\}$/gm)).toHaveLength(1);
  expect(following.output).not.toContain('hunter22');
  expect(await following.interrupt()).toBe(0);
});
