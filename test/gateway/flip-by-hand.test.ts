import { afterEach, expect, test } from 'vitest';
import type { Route } from '../../njs/route.ts';
import { twoWorkers } from '../support/keepalive.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

// `npm test` has 6 minutes; `npm run test:long` takes this file once more, with all of them.
const ROUNDS = process.env.TURNOUT_LONG === '1' ? 10_000 : 1000;

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test('a flip by curl on the control socket is in status and history within a second', async () => {
  turnout = await Turnout.start();
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  for (const [color, release] of [
    ['blue', 'v1'],
    ['green', 'v2'],
  ] as const) {
    const answer = await turnout.control('POST', `/v1/routes/backend/switch/${color}`);
    expect(answer.status, answer.body).toBe(200);
    const flipped = performance.now();
    await eventually('the flip in the history', async () => {
      const [newest] = await turnout.history();
      return newest?.kind === 'flip' && newest.color === color && newest.release === release && newest.by === 'control-api';
    });
    expect(performance.now() - flipped).toBeLessThan(1000);
    expect((await turnout.view()).active).toBe(color);
  }
  const status = await turnout.cli('status');
  expect(status.stdout).toContain('green is live');
  const history = await turnout.cli('history', '--json');
  const [newest] = history.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(newest).toMatchObject({ kind: 'flip', service: 'backend', release: 'v2', color: 'green', by: 'control-api' });
});

test('a flip to a color that is empty or not ready is 409 and changes nothing; force overrides ready, never empty', async () => {
  turnout = await Turnout.start();
  const before = await turnout.route();
  for (const query of ['', '?force=1']) {
    const answer = await turnout.control('POST', `/v1/routes/backend/switch/green${query}`);
    expect(answer.status).toBe(409);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'not-ready', detail: 'green of backend is empty: nothing runs there' });
  }
  expect(await turnout.route()).toEqual(before);
  // As during a gate: running, but not ready. The sidecar would tidy this away.
  await turnout.endSidecar('SIGKILL');
  const green = { slots: [1], release: 'v2', ready: false };
  const put = await turnout.control(
    'PUT',
    '/v1/routes/backend',
    { ...before, colors: { ...before.colors, green } },
    { 'if-match': `"${before.generation}"` },
  );
  expect(put.status, put.body).toBe(200);
  const refused = await turnout.control('POST', '/v1/routes/backend/switch/green');
  expect(refused.status).toBe(409);
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'not-ready', detail: 'green of backend is not ready' });
  const forced = await turnout.control('POST', '/v1/routes/backend/switch/green?force=1');
  expect(forced.status, forced.body).toBe(200);
  expect(JSON.parse(forced.body)).toMatchObject({ active: 'green', weights: { blue: 0, green: 100 } });
});

test('a flip to the color that serves already is 200 and leaves the generation as it was', async () => {
  turnout = await Turnout.start();
  const before = await turnout.route();
  const answer = await turnout.control('POST', '/v1/routes/backend/switch/blue');
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toEqual(before);
  expect(answer.headers.etag).toBe(`"${before.generation}"`);
  expect(await turnout.route()).toEqual(before);
});

test('of two PUTs at once with the same If-Match on different workers exactly one wins, thousands of times', {
  timeout: 120_000,
}, async () => {
  turnout = await Turnout.start();
  // Without the sidecar nobody else writes the route.
  await turnout.endSidecar('SIGKILL');
  const [one, two] = await twoWorkers(turnout.controlSocket);
  expect(await one.worker()).not.toBe(await two.worker());
  let route = await turnout.route();
  let bothRefused = 0;
  let bothWon = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const headers = { 'if-match': `"${route.generation}"` };
    const body = (release: string) =>
      JSON.stringify({ ...route, colors: { ...route.colors, blue: { ...route.colors.blue, release } } });
    const answers = await Promise.all([
      one.call('PUT', '/v1/routes/backend', body(`one-${round}`), headers),
      two.call('PUT', '/v1/routes/backend', body(`two-${round}`), headers),
    ]);
    const won = answers.filter((answer) => answer.status === 200);
    if (won.length === 2) bothWon++;
    if (won.length === 0) bothRefused++;
    expect(answers.map((answer) => answer.status).filter((status) => status !== 200 && status !== 412)).toEqual([]);
    const winner = JSON.parse((won[0] ?? answers[0]).body) as Route;
    if (won.length === 1) expect(winner.generation).toBe(route.generation + 1);
    route = JSON.parse((await one.call('GET', '/v1/routes/backend')).body) as Route;
    if (won.length === 1) expect(route).toEqual(winner);
  }
  one.close();
  two.close();
  expect({ bothWon, bothRefused }).toEqual({ bothWon: 0, bothRefused: 0 });
});

test('rollback goes to the release before and back again, at once while it is warm', async () => {
  turnout = await Turnout.start();
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const deployed = (await turnout.deployments()).length;
  for (const [color, release] of [
    ['blue', 'v1'],
    ['green', 'v2'],
  ] as const) {
    const { code, stdout } = await turnout.cli('rollback');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining(`${color} is live with ${release}`) });
  }
  expect(await turnout.deployments()).toHaveLength(deployed);
});

test('rollback to a release that is not warm any more deploys it again, twice forth and back', async () => {
  turnout = await Turnout.start({ service: { keep: '0s' } });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  for (const release of ['v1', 'v2']) {
    await eventually('the old color is gone', async () => {
      const { colors, active } = await turnout.view();
      return colors[active === 'blue' ? 'green' : 'blue'].replicas.length === 0;
    });
    const { code, stdout, stderr } = await turnout.cli('rollback');
    expect({ code, stdout }, stderr).toMatchObject({ code: 0, stdout: expect.stringContaining(`live: ${release}`) });
    const { active, colors } = await turnout.view();
    expect(colors[active ?? 'blue'].release).toBe(release);
  }
});
