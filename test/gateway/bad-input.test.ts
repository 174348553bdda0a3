import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Route } from '../../njs/route.ts';
import { call } from '../support/http.ts';
import { eventually, freePort } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

describe('turnout.yaml', () => {
  let turnout: Turnout;

  afterEach(async () => {
    await turnout?.destroy();
  });

  async function refused(yaml: string): Promise<string> {
    turnout = await Turnout.create();
    await writeFile(turnout.file, yaml);
    const { code, stderr } = await turnout.cli('up');
    expect(code, stderr).toBe(3);
    expect(existsSync(turnout.state), 'a state folder was made').toBe(false);
    expect(turnout.processes()).toEqual([]);
    return stderr.replaceAll(turnout.file, 'turnout.yaml');
  }

  test('an unknown key is refused with its place and what it may have meant', async () => {
    const said = await refused(
      'services:\n  backend:\n    comand: [node, x.js]\n    command: [node, x.js]\n    health: /health\n',
    );
    expect(said).toContain('turnout.yaml:3:5: unknown key "comand"');
    expect(said).toContain('"command"');
  });

  test('a bad duration is refused with its place and examples', async () => {
    const said = await refused('services:\n  backend:\n    command: [node, x.js]\n    health: /health\n    keep: 10 parsecs\n');
    expect(said).toMatch(/turnout\.yaml:5:11: found "10 parsecs", expected a duration such as .*10m/);
  });

  test('a missing command is refused with the place of its service', async () => {
    const said = await refused('services:\n  backend:\n    health: /health\n');
    expect(said).toMatch(/turnout\.yaml:2:3: .*command/);
  });

  test('an unset variable is refused with its place and name', async () => {
    const said = await refused(
      'services:\n  backend:\n    command: [node, x.js]\n    health: /health\n    env:\n      KEY: ${TURNOUT_TEST_UNSET}\n',
    );
    expect(said).toMatch(/turnout\.yaml:6:12: .*TURNOUT_TEST_UNSET/);
  });

  test('a program that does not exist ends the first deployment, naming it; the gateway answers 503, not 500', async () => {
    turnout = await Turnout.create({ service: { command: ['no-such-program'] } });
    await turnout.up();
    const deployment = await eventually('the deployment has failed', async () => {
      const [newest] = await turnout.deployments();
      return newest?.phase === 'failed' ? newest : null;
    });
    expect(deployment).toMatchObject({ reason: 'start-failed', message: expect.stringContaining('no-such-program') });
    const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' });
    expect(answer.status).toBe(503);
    expect(answer.body).toContain('No release of this service is live');
  });
});

describe('ports and folders that are taken', () => {
  let turnout: Turnout;

  afterEach(async () => {
    await turnout?.destroy();
  });

  test.each([
    ['gateway.listen', 'gateway'],
    ['api.listen', 'api'],
  ])('another process on %s: a clear error, exit 8, nothing left behind', async (key, name) => {
    const port = await freePort();
    const stranger = createServer().listen(port, '127.0.0.1');
    try {
      turnout = await Turnout.create({ config: { [name]: { listen: `127.0.0.1:${port}` } } });
      const { code, stderr } = await turnout.cli('up');
      expect(code, stderr).toBe(8);
      expect(stderr).toContain(`${key} is 127.0.0.1:${port}, but another process listens there`);
      expect(turnout.processes()).toEqual([]);
      expect(existsSync(join(turnout.state, 'lock'))).toBe(false);
    } finally {
      stranger.close();
    }
  });

  test('a stranger on a slot of the idle color fails the deployment, names the address and leaves traffic alone', async () => {
    turnout = await Turnout.start();
    const slots = JSON.parse(readFileSync(join(turnout.state, 'slots.json'), 'utf8'));
    const port = slots.backend.green['1'] as number;
    const stranger = createServer().listen(port, '127.0.0.1');
    try {
      const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
      expect(code).toBe(4);
      expect(stdout).toContain(`127.0.0.1:${port}`);
      expect(await turnout.view()).toMatchObject({ active: 'blue', colors: { green: { replicas: [] } } });
    } finally {
      stranger.close();
    }
  });

  test('a second up on the same state folder ends with 7, names the owner and disturbs nothing', async () => {
    turnout = await Turnout.start();
    const { code, stderr } = await turnout.cli('up');
    expect(code).toBe(7);
    expect(stderr).toContain(`pid ${turnout.child?.pid}`);
    expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).status).toBe(200);
    expect((await turnout.cli('status')).code).toBe(0);
  });
});

describe('calls', () => {
  let turnout: Turnout;
  let before: string;

  beforeAll(async () => {
    turnout = await Turnout.start();
    before = await facts();
  });

  afterAll(async () => {
    await turnout?.destroy();
  });

  /** Everything that a refused call must leave as it was: the route and its file, the journal, the replicas. */
  async function facts(): Promise<string> {
    const routes = join(turnout.state, 'gateway/routes');
    const files = readdirSync(routes).map((name) => [
      name,
      readFileSync(join(routes, name), 'utf8'),
      statSync(join(routes, name)).mtimeMs,
    ]);
    const journal = createHash('sha256')
      .update(readFileSync(join(turnout.state, 'journal.jsonl')))
      .digest('hex');
    return JSON.stringify({ files, journal, route: await turnout.route(), replicas: (await turnout.view()).colors });
  }

  afterEach(async () => {
    expect(await facts()).toBe(before);
  });

  test('without a token or with a wrong one the API answers 401', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: turnout.token() },
      { authorization: `Basic ${turnout.token()}` },
    ]) {
      const answer = await turnout.api(
        'POST',
        '/v1/services/backend/deployments',
        { release: 'v2' },
        headers as Record<string, string>,
      );
      expect(answer.status).toBe(401);
      expect(answer.headers['content-type']).toContain('application/problem+json');
      expect(JSON.parse(answer.body)).toMatchObject({ status: 401, code: 'unauthorized', hint: expect.any(String) });
      expect(answer.body).not.toContain(turnout.token());
    }
  });

  test.each(['{', '[]', '"v2"', '', '{"release":2}', '{"release":"v2","colour":"green"}', '{"release":"../../etc"}', 'null'])(
    'the body %s is refused by the API with 400 and what was expected',
    async (body) => {
      const answer = await turnout.api('POST', '/v1/services/backend/deployments', body);
      expect(answer.status, answer.body).toBe(400);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'invalid-body', detail: expect.any(String) });
    },
  );

  test.each(['{', '', '[]', 'null', '{"active":"red"}'])(
    'the body %s is refused by the control API with 400 and a reason',
    async (body) => {
      const answer = await turnout.control('PUT', '/v1/routes/backend', body);
      expect(answer.status, answer.body).toBe(400);
      expect(JSON.parse(answer.body)).toMatchObject({ status: 400, detail: expect.any(String), hint: expect.any(String) });
    },
  );

  test('an oversized body is 413 on both APIs, as problem+json', async () => {
    const body = JSON.stringify({ release: 'x'.repeat(100_000) });
    for (const answer of [
      await turnout.api('POST', '/v1/services/backend/deployments', body),
      await turnout.control('PUT', '/v1/routes/backend', body),
    ]) {
      expect(answer.status).toBe(413);
      expect(JSON.parse(answer.body)).toMatchObject({ status: 413, code: 'body-too-large' });
    }
  });

  test('a wrong color is refused everywhere, naming what was found', async () => {
    const api = await turnout.api('POST', '/v1/services/backend/switch', { color: 'red' });
    expect(api.status).toBe(400);
    expect(api.body).toContain('red');
    const control = await turnout.control('POST', '/v1/routes/backend/switch/red');
    expect(control.status).toBe(400);
    expect(JSON.parse(control.body)).toMatchObject({ code: 'invalid-color', detail: expect.stringContaining('red') });
    const cli = await turnout.cli('switch', 'red');
    expect(cli.code).toBe(2);
    expect(cli.stderr).toContain('red');
  });

  test('a stale If-Match is 412 with the present ETag', async () => {
    const route = await turnout.route();
    for (const [method, path, body] of [
      ['PUT', '/v1/routes/backend', route],
      ['POST', '/v1/routes/backend/switch/blue', undefined],
    ] as const) {
      const answer = await turnout.control(method, path, body, { 'if-match': `"${route.generation + 7}"` });
      expect(answer.status).toBe(412);
      expect(answer.headers.etag).toBe(`"${route.generation}"`);
    }
  });

  test.each([
    ['weights that do not sum to 100', { weights: { blue: 99, green: 0 } }, 'sum to 99'],
    ['no weight on the active color', { active: 'green' }, 'weights.green is 0'],
    ['a weight on a color without slots', { weights: { blue: 50, green: 50 } }, 'green has no slots'],
    [
      'a set of slots that was not rendered',
      { colors: { blue: { slots: [1, 9], release: 'v1', ready: true } } },
      'expected one of the rendered sets: 1 2 1-2',
    ],
  ])('a route with %s is 400 with the reason', async (_, change, reason) => {
    const route = await turnout.route();
    const colors = { ...route.colors, ...('colors' in change ? change.colors : {}) };
    const answer = await turnout.control('PUT', '/v1/routes/backend', { ...route, ...change, colors });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'route-invalid',
      detail: expect.stringContaining(reason),
      sets: ['1', '2', '1-2'],
    });
  });

  test('unknown services, deployments, paths and methods are told as such', async () => {
    for (const [path, status] of [
      ['/v1/services/nope', 404],
      ['/v1/deployments/nope', 404],
      ['/v2', 404],
    ] as const) {
      const answer = await turnout.api('GET', path);
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.body)).toMatchObject({ status, code: expect.any(String), hint: expect.any(String) });
    }
    expect((await turnout.control('GET', '/v1/routes/nope')).status).toBe(404);
    expect((await turnout.control('PATCH', '/v1/routes/backend')).status).toBe(405);
    expect((await turnout.control('GET', '/nope')).status).toBe(404);
    expect((await turnout.cli('deploy')).code).toBe(2);
    expect((await turnout.cli('status', 'nope')).code).toBe(2);
    expect((await turnout.cli('frobnicate')).code).toBe(2);
  });
});

describe('a torn routes file', () => {
  let turnout: Turnout;

  afterEach(async () => {
    await turnout?.destroy();
  });

  /** Every process of nginx dies and the sidecar with it, so that only the files are left. */
  async function restartWithTornFile(text: string): Promise<void> {
    const file = join(turnout.state, 'gateway/routes/backend.json');
    expect(existsSync(`${file}.previous`)).toBe(true);
    await turnout.endSidecar('SIGKILL');
    process.kill(-turnout.masterPid(), 'SIGKILL');
    await writeFile(file, text);
    await turnout.up();
  }

  test.each(['', '{"service":"backend","gen', '\0\0\0\0', 'null', '{"service":"backend"}'])(
    '%j: the one beside it is used',
    async (text) => {
      turnout = await Turnout.start();
      expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
      await restartWithTornFile(text);
      // The previous route knows blue: both colors are warm.
      const answer = await eventually('an answer', () =>
        call({ port: turnout.gatewayPort, method: 'GET', path: '/' }).catch(() => null),
      );
      expect(answer.status, turnout.diagnosis()).toBe(200);
      expect((await turnout.cli('deploy', '--release', 'v3')).code).toBe(0);
    },
  );

  test('the control API answers the previous route as well, and the next write does not push it out', async () => {
    turnout = await Turnout.start();
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
    const file = join(turnout.state, 'gateway/routes/backend.json');
    const previous = JSON.parse(readFileSync(`${file}.previous`, 'utf8')) as Route;
    await turnout.endSidecar('SIGKILL');
    process.kill(-turnout.masterPid(), 'SIGKILL');
    await writeFile(file, '{"service":"backend","gen');
    await promisify(execFile)(join(turnout.state, 'gateway/start'));
    // No request before: pick() must not have loaded it.
    expect(await turnout.route()).toEqual(previous);
    const put = await turnout.control('PUT', '/v1/routes/backend', previous, { 'if-match': `"${previous.generation}"` });
    expect(put.status, put.body).toBe(200);
    expect(JSON.parse(readFileSync(`${file}.previous`, 'utf8'))).toEqual(previous);
    expect((JSON.parse(readFileSync(file, 'utf8')) as Route).generation).toBe(previous.generation + 1);
  });

  test('both torn: 503 at worst, never a 500, and the sidecar writes the route anew from its journal', async () => {
    turnout = await Turnout.start();
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
    await writeFile(join(turnout.state, 'gateway/routes/backend.json.previous'), '{');
    await restartWithTornFile('{');
    const seen = new Set<number>();
    await eventually('v2 serves again', async () => {
      const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' });
      seen.add(answer.status);
      return answer.headers['x-release'] === 'v2';
    });
    expect([...seen].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  });
});
