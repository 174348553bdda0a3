import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { faulty } from '../support/faulty.ts';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { BACKEND, Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test('abort in waiting: failed, exit 4, the old release serves and the new one is gone', async () => {
  turnout = await Turnout.start();
  const deploying = turnout.cli('deploy', '--release', 'v2', '--hold');
  await eventually('waiting', async () => (await turnout.view()).deployment?.phase === 'waiting');
  const preview = await call({ socketPath: join(turnout.state, 'gateway/preview-backend.sock'), method: 'GET', path: '/' });
  expect(preview.headers['x-release']).toBe('v2');
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).headers['x-release']).toBe('v1');
  expect((await turnout.cli('abort')).code).toBe(0);
  const { code, stdout } = await deploying;
  expect({ code, stdout }).toMatchObject({ code: 4, stdout: expect.stringContaining('failed: v2 (aborted)') });
  expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { green: { replicas: [] } } });
});

test('promote of a held deployment switches it live', async () => {
  turnout = await Turnout.start();
  const deploying = turnout.cli('deploy', '--release', 'v2', '--hold');
  await eventually('waiting', async () => (await turnout.view()).deployment?.phase === 'waiting');
  expect((await turnout.cli('promote')).code).toBe(0);
  expect((await deploying).code).toBe(0);
  expect((await turnout.view()).active).toBe('green');
});

test('a deployment that nobody promotes in time has failed', async () => {
  turnout = await Turnout.start({ service: { promoteTimeout: '500ms' } });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2', '--hold');
  expect(code).toBe(4);
  expect(stdout).toContain('promote-timeout');
});

test('abort in the bake: rolled back, traffic is on the old color again', async () => {
  turnout = await Turnout.start({ service: { bake: { for: '60s' } } });
  const deploying = turnout.cli('deploy', '--release', 'v2');
  await eventually('baking', async () => (await turnout.view()).deployment?.phase === 'baking');
  expect((await turnout.cli('abort')).code).toBe(0);
  expect((await deploying).code).toBe(5);
  expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { green: { ready: false } } });
});

test('a second deployment is refused with 7, naming the first and its age, or waits with --lock-wait', async () => {
  turnout = await Turnout.start({ service: { bake: { for: '2s' } } });
  const { stdout } = await turnout.cli('deploy', '--release', 'v2', '--no-wait');
  const refused = await turnout.cli('deploy', '--release', 'v3');
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain(stdout.trim());
  expect(refused.stderr).toMatch(/accepted \d+ s ago/);
  const waited = await turnout.cli('deploy', '--release', 'v3', '--lock-wait', '30s');
  expect(waited.code, waited.stderr).toBe(0);
});

test('a smoke check that fails ends the deployment before the switch; warm-up requests are not counted', async () => {
  const checks = { warm: [{ get: '/', count: 30 }], smoke: [{ get: '/', expect: { json: { service: 'backend' } } }] };
  turnout = await Turnout.start({ service: faulty('[ "$TURNOUT_RELEASE" = v2 ] || export FAULT_ERROR_SHARE=1', checks) });
  const good = await turnout.cli('deploy', '--release', 'v2');
  expect(good.code, good.stderr + good.stdout).toBe(0);
  const [deployment] = await turnout.deployments();
  expect(deployment?.receipt?.requests).toMatchObject({ blue: { '2xx': 0 }, green: { '2xx': 0 } });
  const bad = await turnout.cli('deploy', '--release', 'v3');
  expect(bad.code).toBe(4);
  expect(bad.stdout).toMatch(/smoke-failed.*GET \/ through nginx to backend\.blue\.1 answered 500/);
  expect((await turnout.view()).active).toBe('green');
});

test('hooks run before the switch, after live and after a rollback; a failing beforeSwitch ends the deployment', async () => {
  turnout = await Turnout.create();
  const out = join(turnout.folder, 'hooks.log');
  const tell = ['sh', '-c', `echo "$TURNOUT_EVENT $TURNOUT_RELEASE $TURNOUT_PREVIOUS" >> ${out}; [ "$TURNOUT_RELEASE" != v3 ]`];
  edit((service) => {
    service.hooks = { beforeSwitch: tell, afterLive: tell, afterRollback: tell };
    service.bake = { for: '60s' };
  });
  await turnout.up();
  await turnout.untilLive();
  const lines = () => readFileSync(out, 'utf8').trim().split('\n');
  await turnout.cli('deploy', '--release', 'v2', '--no-wait');
  await eventually('baking', async () => (await turnout.view()).deployment?.phase === 'baking');
  await turnout.cli('abort');
  await eventually('afterRollback has run', () => lines().includes('afterRollback v2 v1'));
  expect(lines()).toContain('beforeSwitch v2 v1');
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v3');
  expect(code).toBe(4);
  expect(stdout).toContain('hook-failed');
  expect((await turnout.view()).active).toBe('blue');
});

function edit(change: (service: Record<string, unknown>, whole: { services: Record<string, unknown> }) => void): void {
  const whole = parse(readFileSync(turnout.file, 'utf8')) as { services: Record<string, Record<string, unknown>> };
  change(whole.services.backend as Record<string, unknown>, whole);
  writeFileSync(turnout.file, stringify(whole));
}

test('reload adds a service and changes one under load; what is wrong is refused whole', async () => {
  turnout = await Turnout.start();
  const load = startLoad({ origin: turnout.origin, connections: 8 });
  edit((service, whole) => {
    service.keep = '1m';
    whole.services.second = {
      command: ['node', BACKEND],
      health: '/health',
      bake: { for: '0s' },
      route: { path: '/second' },
      exposeHealth: true,
    };
  });
  const done = await turnout.cli('reload', '--json');
  expect(done.code, done.stderr).toBe(0);
  expect(JSON.parse(done.stdout)).toEqual({ added: ['second'], changed: ['backend'], removed: [] });
  await eventually('the second service serves', async () => {
    const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/second' });
    return answer.headers['x-release'] === 'v1';
  });
  edit((service) => {
    service.keep = 'for ever';
  });
  const refused = await turnout.cli('reload');
  expect(refused.code).toBe(3);
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/second' })).headers['x-release']).toBe('v1');
  edit((service, whole) => {
    service.keep = '1m';
    delete whole.services.second;
  });
  const serving = await turnout.cli('reload');
  expect(serving.code).toBe(3);
  expect(serving.stderr).toContain('second');
  const removed = await turnout.cli('reload', '--remove', '--json');
  expect(removed.code, removed.stderr).toBe(0);
  expect(JSON.parse(removed.stdout)).toEqual({ added: [], changed: [], removed: ['second'] });
  const report = await load.stop();
  // nginx closes idle connections at a reload: what was lost there never reached it.
  expect(
    report.failures.filter((one) => one.phase !== 'head' || !one.reused),
    JSON.stringify(report.failures),
  ).toEqual([]);
});

test('the health document is hidden from outside unless exposeHealth says otherwise', async () => {
  turnout = await Turnout.start();
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/health' })).status).toBe(404);
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '//health?x=1' })).status).toBe(404);
  edit((service) => {
    service.exposeHealth = true;
  });
  expect((await turnout.cli('reload')).code).toBe(0);
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/health' })).status).toBe(200);
});

test('one of two replicas that gets sick leaves the route, is replaced and returns; traffic does not notice', async () => {
  // Slot 2 gets sick once, 2 s after its first start; the mark in its folder lets its successor be well.
  turnout = await Turnout.create();
  const mark = join(turnout.folder, 'was-sick');
  const fault = `if [ "$TURNOUT_SLOT" = 2 ] && [ ! -e ${mark} ]; then touch ${mark}; export FAULT_UNHEALTHY_AFTER_S=2; fi; exec node ${BACKEND}`;
  edit((service) => {
    Object.assign(service, { command: ['sh', '-c', fault], replicas: 2 });
  });
  await turnout.up();
  await turnout.untilLive();
  const first = await turnout.replicaPid('blue', 2);
  const load = startLoad({ origin: turnout.origin, connections: 8 });
  await eventually('slot 2 is out of the route', async () => (await turnout.route()).colors.blue.slots.join() === '1');
  await eventually('slot 2 is back in the route', async () => (await turnout.route()).colors.blue.slots.join() === '1,2', 20_000);
  expect(await turnout.replicaPid('blue', 2)).not.toBe(first);
  const report = await load.stop();
  expect(report.failed, JSON.stringify(report.failures)).toBe(0);
});
