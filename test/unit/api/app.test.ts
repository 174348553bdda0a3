import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { TurnoutError } from '../../../sidecar/errors.ts';
import { type Api, problemOf, startApi, TOKEN } from './fake.ts';

let api: Api;
beforeEach(async () => {
  api = await startApi();
});

const bearer = { authorization: `Bearer ${TOKEN}` };

describe('the token', () => {
  const paths = ['/v1/services', '/v1/services/backend', '/v1/deployments/d1', '/v1/nothing', '/'];

  test.each(paths)('%s is closed without it', async (path) => {
    const answer = await api.ask('GET', path, undefined, {});
    expect(problemOf(answer)).toMatchObject({
      status: 401,
      code: 'unauthorized',
      detail: expect.stringContaining('no Authorization header'),
    });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  test.each([`Bearer wrong`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer', 'Bearer ', `Basic ${TOKEN}`, TOKEN])(
    '"%s" is refused',
    async (authorization) => {
      const answer = await api.ask('POST', '/v1/services/backend/deployments', { release: 'v2' }, { authorization });
      expect(problemOf(answer)).toMatchObject({ status: 401, detail: expect.stringContaining('is wrong') });
      expect(api.backend.asked).toEqual([]);
    },
  );

  test('is asked for before the body is read', async () => {
    expect(problemOf(await api.ask('POST', '/v1/services/backend/switch', 'no JSON', {}))).toMatchObject({ status: 401 });
  });

  test('may be sent with any case of the word Bearer', async () => {
    expect((await api.ask('GET', '/v1/services', undefined, { authorization: `bearer ${TOKEN}` })).status).toBe(200);
  });

  test('is not needed to ask whether the sidecar runs and is ready', async () => {
    expect(await api.ask('GET', '/healthz', undefined, {})).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    expect(await api.ask('GET', '/readyz', undefined, {})).toMatchObject({ status: 200, body: '{"status":"ready"}' });
  });

  test('is never shown', async () => {
    const answers = await Promise.all(paths.map((path) => api.ask('GET', path, undefined, { authorization: 'Bearer wrong' })));
    expect(JSON.stringify([answers, api.logged])).not.toContain(TOKEN);
  });
});

test('a sidecar whose gateway is silent is not ready, and says for which services', async () => {
  api.backend.route = 'unknown';
  const { status, body } = await api.ask('GET', '/readyz', undefined, {});
  expect([status, JSON.parse(body)]).toEqual([503, { status: 'the gateway does not answer', services: ['backend'] }]);
});

test('a sidecar whose journal takes nothing is not ready, and says for which services', async () => {
  api.backend.durable = false;
  const { status, body } = await api.ask('GET', '/readyz', undefined, {});
  expect([status, JSON.parse(body)]).toEqual([503, { status: 'the journal cannot be written', services: ['backend'] }]);
});

describe('a reload', () => {
  test('keeps removed services unless it is told to remove them', async () => {
    expect(await api.ask('POST', '/v1/reload')).toMatchObject({ status: 200, body: '{"added":[]}' });
    await api.ask('POST', '/v1/reload', { remove: true });
    expect(api.reloads).toEqual([{ remove: false }, { remove: true }]);
  });

  test('takes no other fields', async () => {
    expect(problemOf(await api.ask('POST', '/v1/reload', { force: true }))).toMatchObject({ status: 400, code: 'invalid-body' });
    expect(api.reloads).toEqual([]);
  });
});

describe('what is not there', () => {
  test.each(['/', '/v1', '/v1/nothing', '/v1/services/backend/nothing', '/v1/deployments', '/v1/services/backend/history/1'])(
    '%s is a problem with its path',
    async (path) => {
      const found = problemOf(await api.ask('GET', path));
      expect(found).toEqual({ status: 404, code: 'not-found', detail: `there is nothing at GET ${path}` });
    },
  );

  test.each([
    ['GET', '/v1/services/other'],
    ['GET', '/v1/services/other/history'],
    ['POST', '/v1/services/other/deployments'],
    ['POST', '/v1/services/other/switch'],
    ['POST', '/v1/services/other/rollback'],
    ['GET', '/v1/services/constructor'],
  ])('%s %s names the services that are', async (method, path) => {
    const found = problemOf(await api.ask(method, path, method === 'POST' ? {} : undefined));
    expect(found).toMatchObject({
      status: 404,
      code: 'unknown-service',
      detail: expect.stringMatching(/expected one of: backend, frontend$/),
    });
  });

  test('a deployment that nobody knows is told by its id', async () => {
    const found = problemOf(await api.ask('GET', '/v1/deployments/d9'));
    expect(found).toEqual({ status: 404, code: 'unknown-deployment', detail: 'there is no deployment "d9"' });
  });

  test.each([
    ['DELETE', '/v1/services/backend'],
    ['GET', '/v1/services/backend/switch'],
    ['PUT', '/v1/services/backend/deployments'],
  ])('%s %s is refused as a problem', async (method, path) => {
    const found = problemOf(await api.ask(method, path));
    expect([404, 405]).toContain(found.status);
    expect(found.detail).toContain(`${method} ${path}`);
    expect(api.backend.asked).toEqual([]);
  });

  test.each(['/v1/services/%E0%A4%A', '/v1/deployments/%'])(
    '%s, which cannot be decoded, is the fault of whoever asks',
    async (path) => {
      expect(problemOf(await api.ask('GET', path)).status).toBeLessThan(500);
    },
  );
});

describe('a body', () => {
  const send = (body: unknown, headers = {}) =>
    api.ask('POST', '/v1/services/backend/deployments', body, { ...bearer, ...headers });
  const refusal = async (body: unknown, headers = {}) => problemOf(await send(body, headers));

  test.each(['no JSON', '{"release":"v2"', '"v2"', '7', 'null'])('of %j is refused', async (body) => {
    expect(await refusal(body)).toMatchObject({ status: 400, code: 'invalid-body' });
  });

  test('that is an array is refused', async () => {
    expect(await refusal([{ release: 'v2' }])).toMatchObject({ status: 400, code: 'invalid-body' });
  });

  test('is JSON whatever its content type says', async () => {
    expect((await send('{"release":"v2"}', { 'content-type': 'text/plain' })).status).toBe(202);
  });

  test('of 64 KiB is read, and a larger one refused', async () => {
    const sized = (bytes: number) => `{"release":"v2"${' '.repeat(bytes - 16)}}`;
    expect((await send(sized(64 * 1024))).status).toBe(202);
    expect(await refusal(sized(64 * 1024 + 1))).toMatchObject({ status: 413, code: 'body-too-large' });
  });

  test('that says to be compressed and is not is refused', async () => {
    expect(await refusal('{"release":"v2"}', { 'content-encoding': 'gzip' })).toMatchObject({
      status: 400,
      code: 'invalid-body',
    });
  });

  test('that is compressed in a way that nobody knows is refused', async () => {
    expect(await refusal('{"release":"v2"}', { 'content-encoding': 'zip' })).toMatchObject({ code: 'invalid-body' });
  });

  test('in letters that nobody knows is refused', async () => {
    const headers = { 'content-type': 'application/json; charset=ebcdic' };
    expect(await refusal('{"release":"v2"}', headers)).toMatchObject({ code: 'invalid-body' });
  });

  test('that becomes too large only when it is unpacked is refused', async () => {
    const bomb = gzipSync(`{"release":"${'v'.repeat(1_000_000)}"}`);
    const answer = await new Promise<number>((resolve, reject) => {
      const headers = { ...bearer, 'content-encoding': 'gzip', 'content-length': bomb.length };
      const call = request(
        `${api.origin}/v1/services/backend/deployments`,
        { method: 'POST', headers, agent: false },
        (response) => {
          response.resume().once('end', () => resolve(response.statusCode ?? 0));
        },
      );
      call.once('error', reject).end(bomb);
    });
    expect(answer).toBe(413);
    expect(api.backend.asked).toEqual([]);
  });
});

describe('a problem', () => {
  test('carries status, code and hint of what was thrown', async () => {
    api.backend.trouble = new TurnoutError('busy', 'deployment d1 runs', { hint: 'Wait for d1.' });
    const answer = await api.ask('POST', '/v1/services/backend/deployments', { release: 'v2' });
    expect(problemOf(answer)).toEqual({ status: 409, code: 'busy', detail: 'deployment d1 runs' });
    expect(JSON.parse(answer.body)).toMatchObject({ hint: 'Wait for d1.', title: 'Another one is at work' });
    expect(api.logged).toEqual([]);
  });

  test('of our own is internal, and logged', async () => {
    api.backend.trouble = new Error('a bug');
    const answer = await api.ask('POST', '/v1/services/backend/switch', { color: 'green' });
    expect(problemOf(answer)).toEqual({ status: 500, code: 'internal', detail: 'a bug' });
    expect(api.logged).toHaveLength(1);
  });
});
