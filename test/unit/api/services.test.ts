import { beforeEach, describe, expect, test } from 'vitest';
import { type Api, problemOf, startApi, TOKEN } from './fake.ts';

let api: Api;
beforeEach(async () => {
  api = await startApi();
});

const post = (verb: string, body?: unknown, headers: Record<string, string> = {}) =>
  api.ask('POST', `/v1/services/backend/${verb}`, body, { authorization: `Bearer ${TOKEN}`, ...headers });
const refusal = async (verb: string, body?: unknown) => problemOf(await post(verb, body));

describe('reading', () => {
  const read = async (path: string) => JSON.parse((await api.ask('GET', path)).body);

  test('all services', async () => {
    const { services } = await read('/v1/services');
    expect(services.map((one: { name: string }) => one.name)).toEqual(['backend', 'frontend']);
  });

  test('one service', async () => {
    expect(await read('/v1/services/backend')).toMatchObject({ name: 'backend', active: 'blue', generation: 7 });
  });

  test('deployments, one deployment, and the history', async () => {
    expect(await read('/v1/services/backend/deployments')).toMatchObject({ deployments: [{ id: 'd1', phase: 'live' }] });
    expect(await read('/v1/deployments/d1')).toMatchObject({ id: 'd1', phase: 'live' });
    expect(await read('/v1/services/backend/history')).toEqual({ history: [{ kind: 'deployment', id: 'd1' }] });
  });
});

describe('a deployment', () => {
  test('is accepted, and says where it can be followed', async () => {
    const answer = await post('deployments', { release: 'v2' });
    expect(answer).toMatchObject({ status: 202, headers: { location: '/v1/deployments/d2' } });
    expect(JSON.parse(answer.body)).toMatchObject({ id: 'd2', release: 'v2', noop: false });
    expect(api.backend.asked).toEqual([
      ['deploy', { release: 'v2', image: null, digest: null, force: false, hold: false, by: 'api' }],
    ]);
  });

  test('of the release that is live says so', async () => {
    api.backend.noop = true;
    const answer = await post('deployments', { release: 'v1', force: true, hold: true });
    expect([answer.status, JSON.parse(answer.body).noop]).toEqual([200, true]);
    expect(api.backend.asked).toMatchObject([['deploy', { force: true, hold: true }]]);
  });

  test.each([
    [undefined, /^release: found undefined, expected a label such as "v2"$/],
    [{}, /^release: found undefined/],
    [{ release: 7 }, /^release: found 7, expected a label/],
    [{ release: '' }, /^release: found "", expected/],
    [{ release: '../etc' }, /^release: found "..\/etc", expected/],
    [{ release: 'v2;rm' }, /^release: found "v2;rm", expected/],
    [{ release: 'v2', force: 'yes' }, /^force: /],
    [{ release: 'v2', tag: 'x' }, /^body: .*"tag"/],
    [{ tag: 'x' }, /release: found undefined.*; body: .*"tag"/],
  ])('of %j is refused with what was found', async (body, detail) => {
    expect(await refusal('deployments', body)).toEqual({
      status: 400,
      code: 'invalid-body',
      detail: expect.stringMatching(detail),
    });
    expect(api.backend.asked).toEqual([]);
  });
});

describe('a switch', () => {
  test('by hand answers with the route', async () => {
    const answer = await post('switch', { color: 'green', force: true });
    expect([answer.status, JSON.parse(answer.body).active]).toEqual([200, 'green']);
    expect(api.backend.asked).toEqual([['switch', 'green', { force: true, by: 'api' }]]);
  });

  test.each([[{}], [{ color: 'red' }], [{ color: 'Blue' }], [{ color: 'blue', colour: 'green' }], [undefined]])(
    'to %j is refused',
    async (body) => {
      expect(await refusal('switch', body)).toMatchObject({ status: 400, code: 'invalid-body' });
      expect(api.backend.asked).toEqual([]);
    },
  );

  test('to a wrong color is told which colors there are', async () => {
    expect(await refusal('switch', { color: 'red' })).toMatchObject({ detail: 'color: found "red", expected "blue" or "green"' });
  });
});

describe('a rollback', () => {
  test('to a warm color answers with the route', async () => {
    const answer = await post('rollback');
    expect([answer.status, JSON.parse(answer.body).active]).toEqual([200, 'green']);
  });

  test('that needs a deployment says where it can be followed', async () => {
    api.backend.warm = false;
    expect(await post('rollback', {})).toMatchObject({ status: 202, headers: { location: '/v1/deployments/d3' } });
  });

  test('takes no fields', async () => {
    expect(await refusal('rollback', { release: 'v1' })).toMatchObject({ status: 400, code: 'invalid-body' });
    expect(api.backend.asked).toEqual([]);
  });
});

describe('a running deployment', () => {
  const tell = (verb: string, id = 'd1', body?: unknown) => api.ask('POST', `/v1/deployments/${id}/${verb}`, body);

  test.each(['promote', 'abort'])('takes %s', async (verb) => {
    const answer = await tell(verb);
    expect([answer.status, JSON.parse(answer.body).id]).toEqual([200, 'd1']);
    expect(api.backend.asked).toEqual([[verb, 'd1', 'api']]);
  });

  test.each(['promote', 'abort'])('takes %s without fields only, and by its id', async (verb) => {
    expect(problemOf(await tell(verb, 'd1', { force: true }))).toMatchObject({ status: 400, code: 'invalid-body' });
    expect(problemOf(await tell(verb, 'd9'))).toMatchObject({ status: 404, code: 'unknown-deployment' });
    expect(api.backend.asked).toEqual([]);
  });
});

describe('X-Turnout-By', () => {
  const by = async (name: string) => {
    await post('rollback', undefined, { 'x-turnout-by': name });
    return (api.backend.asked.at(-1) as string[])[1];
  };

  test.each([
    ['ann@laptop', 'ann@laptop'],
    ['ci run 7', 'ci run 7'],
    ['deployments-bot', 'deployments-bot'],
    ['sidecar-tests', 'sidecar-tests'],
    ['', 'api'],
  ])('%j is recorded as %j', async (name, recorded) => {
    expect(await by(name)).toBe(recorded);
  });

  test('is cut to 80 letters, and only plain ones are kept', async () => {
    expect(await by('x'.repeat(200))).toBe('x'.repeat(80));
    expect(await by('J\xfcrgen\tK')).toBe('JrgenK');
    expect(await by('\xfc')).toBe('api');
  });

  test.each(['deployment d1', 'sidecar'])('cannot be %j, which is the engine', async (name) => {
    expect(await by(name)).toBe('api');
  });

  // The gateway's nginx trims a header; whatever is left after that must not be a name of the engine.
  test.each(['\xfc deployment d1', '\xfc sidecar', 'sidecar \xfc', `sidecar${' '.repeat(80)}x`])(
    'cannot become the engine when trimmed: %j',
    async (name) => {
      expect((await by(name))!.trim()).not.toMatch(/^(deployment |sidecar$)/);
    },
  );
});
