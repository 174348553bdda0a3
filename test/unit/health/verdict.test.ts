import { describe, expect, test } from 'vitest';
import { judge } from '../../../sidecar/health/verdict.ts';

const judged = (body: string, json: Record<string, unknown> = {}, status = 200) =>
  judge('GET /health', status, body, { status: 200, json });
const expected = (found: unknown, json: Record<string, unknown>) =>
  /expected (.*)$/.exec(judged(JSON.stringify(found), json).detail)?.[1];

test('the expected status is enough without JSON expectations, whatever the body', () => {
  expect(judged('<p>fine</p>')).toEqual({ ok: true, answered: true, detail: 'GET /health answered 200 <p>fine</p>' });
  expect(judged('').detail).toBe('GET /health answered 200');
});

test('another status fails with what was asked, what came and what was expected', () => {
  const detail = 'GET /health answered 503 starting, expected 200';
  expect(judged('starting', {}, 503)).toEqual({ ok: false, answered: true, detail });
});

test('the status is judged before the body', () => {
  expect(judged('{"status":"ok"}', { status: 'bad' }, 204).detail).toMatch(/, expected 200$/);
});

test('a status other than 200 can be expected', () => {
  expect(judge('GET /', 404, '', { status: 404, json: {} }).ok).toBe(true);
  expect(judge('GET /', 200, '', { status: 404, json: {} }).ok).toBe(false);
});

describe('JSON expectations', () => {
  test('are met by a document that has more beside them', () => {
    const body = '{"status":"ok","uptime":3,"checks":{"db":{"up":true,"ms":4},"cache":null}}';
    expect(judged(body, { status: 'ok', checks: { db: { up: true }, cache: null } }).ok).toBe(true);
  });

  test.each([
    ['a wrong value', { status: 'bad' }, { status: 'ok' }, 'status to be "ok"'],
    ['a missing key', {}, { status: 'ok' }, 'status to be "ok"'],
    ['a nested wrong value', { checks: { db: { up: false } } }, { checks: { db: { up: true } } }, 'checks.db.up to be true'],
    ['a nested key below something that is no object', { checks: 'fine' }, { checks: { db: 1 } }, 'checks.db to be 1'],
    ['a nested key below null', { checks: null }, { checks: { db: 1 } }, 'checks.db to be 1'],
    ['a number for a text', { version: 2 }, { version: '2' }, 'version to be "2"'],
    ['null for a missing key', { other: 1 }, { gone: null }, 'gone to be null'],
    ['an array in another order', { list: [2, 1] }, { list: [1, 2] }, 'list to be [1,2]'],
    ['a document that is an array', [1], { status: 'ok' }, 'status to be "ok"'],
    ['a document that is null', null, { status: 'ok' }, 'status to be "ok"'],
  ])('fail with %s', (_, found, json, message) => {
    expect(expected(found, json)).toBe(message);
  });

  test('name the first that is not met', () => {
    expect(expected({ a: 1, b: 2 }, { a: 1, b: 1, c: 1 })).toBe('b to be 1');
  });

  test('are met by equal arrays', () => {
    expect(judged('{"list":[1,{"a":2}]}', { list: [1, { a: 2 }] }).ok).toBe(true);
  });

  test('that want an object are not met when it is missing', () => {
    expect(judged('{}', { checks: {} }).ok).toBe(false);
    expect(judged('{"checks":7}', { checks: {} }).ok).toBe(false);
    expect(judged('{"checks":{"db":1}}', { checks: {} }).ok).toBe(true);
  });

  test.each(['', 'not JSON', '{"status":"ok"'])('fail with %j, which is no JSON', (body) => {
    expect(judged(body, { status: 'ok' })).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/, expected a JSON document$/),
    });
  });
});

test('a long body is cut to 300 characters and shown on one line', () => {
  const { detail } = judged(`first\r\n  second\t${'x'.repeat(1000)}`, {}, 500);
  expect(detail).toBe(`GET /health answered 500 first second ${'x'.repeat(300 - 13)}, expected 200`);
});
