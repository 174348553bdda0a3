import { get } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import { routeTo } from '../../support/builders.ts';
import { eventually } from '../../support/processes.ts';
import { type Api, problemOf, startApi, TOKEN } from './fake.ts';

let api: Api;
beforeEach(async () => {
  api = await startApi();
});

const read = (path: string) => api.ask('GET', `/v1/services/backend/${path}`);

describe('GET /v1/services/{s}/monitor', () => {
  test('is the report; smoke checks only when they are asked for', async () => {
    const answer = await read('monitor');
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { verdict: { state: 'healthy' } }]);
    await read('monitor?smoke=1');
    expect(api.monitors.asked).toEqual([
      ['backend', { smoke: false }],
      ['backend', { smoke: true }],
    ]);
  });

  test('an unhealthy service is a good answer, too', async () => {
    api.monitors.found = { verdict: { state: 'unhealthy' } };
    expect((await read('monitor')).status).toBe(200);
  });

  test('needs a token, a service that is there, and words that are understood', async () => {
    expect((await api.ask('GET', '/v1/services/backend/monitor', undefined, {})).status).toBe(401);
    expect(problemOf(await api.ask('GET', '/v1/services/other/monitor'))).toMatchObject({ status: 404, code: 'unknown-service' });
    expect(problemOf(await read('monitor?smoke=perhaps'))).toMatchObject({ status: 400, code: 'usage' });
  });
});

describe('GET /v1/services/{s}/logs', () => {
  test('is the last 100 lines of the serving color, as text', async () => {
    api.monitors.lines = [
      { color: 'blue', slot: 1, line: 'one' },
      { color: 'blue', slot: 1, line: 'two' },
    ];
    const { status, headers, body } = await read('logs');
    expect([status, headers['content-type'], body]).toEqual([200, 'text/plain; charset=utf-8', 'one\ntwo\n']);
    expect(api.monitors.asked).toEqual([['backend', 'blue', 100]]);
  });

  test('as JSON each line says who wrote it', async () => {
    api.monitors.lines = [{ color: 'green', slot: 2, line: 'one "two"' }];
    const { headers, body } = await read('logs?color=green&tail=5&json=1');
    expect(headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    expect(JSON.parse(body)).toEqual({ slot: 2, color: 'green', line: 'one "two"' });
    expect(api.monitors.asked).toEqual([['backend', 'green', 5]]);
  });

  test('lines of several replicas say which of them', async () => {
    api.backend.replicas = 2;
    api.monitors.lines = [
      { color: 'blue', slot: 1, line: 'one' },
      { color: 'blue', slot: 2, line: 'two' },
    ];
    expect((await read('logs')).body).toBe('blue-1 | one\nblue-2 | two\n');
  });

  test.each(['tail=-1', 'tail=ten', 'tail=10001', 'follow=yes'])('%s is refused', async (query) => {
    expect(problemOf(await read(`logs?${query}`))).toMatchObject({ status: 400, code: 'usage' });
  });

  test('another color than blue and green, and a service of which nothing runs, are refused', async () => {
    expect(problemOf(await read('logs?color=red'))).toMatchObject({ status: 400, code: 'invalid-color' });
    api.backend.route = { ...routeTo('blue'), active: null as unknown as 'blue' };
    expect(problemOf(await read('logs'))).toMatchObject({ status: 404, code: 'no-route' });
  });

  test('following tells each line as it comes, and ends when the reader goes', async () => {
    let text = '';
    const headers = { authorization: `Bearer ${TOKEN}` };
    const call = get(`${api.origin}/v1/services/backend/logs?follow=1&tail=0`, { headers, agent: false }, (answer) => {
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    });
    call.on('error', () => undefined);
    await eventually('somebody follows', () => api.monitors.told !== null);
    api.monitors.told?.({ color: 'blue', slot: 1, line: 'one' });
    await eventually('the line is there', () => text === 'one\n');
    api.monitors.told?.({ color: 'blue', slot: 1, line: 'two' });
    await eventually('the line is there', () => text === 'one\ntwo\n');
    expect(api.monitors.asked).toEqual([['backend', 'blue', 0, 'follow']]);
    call.destroy();
    await eventually('nobody follows any more', () => api.monitors.told === null);
  });

  test('a reader that does not read is not waited for: lines are left out, and it is told how many', async () => {
    let text = '';
    const headers = { authorization: `Bearer ${TOKEN}` };
    const reading = new Promise<import('node:http').IncomingMessage>((resolve) => {
      get(`${api.origin}/v1/services/backend/logs?follow=1`, { headers, agent: false }, resolve).on('error', () => undefined);
    });
    const answer = await reading;
    await eventually('somebody follows', () => api.monitors.told !== null);
    const line = 'x'.repeat(10_000);
    for (let n = 0; n < 2000; n++) api.monitors.told?.({ color: 'blue', slot: 1, line });
    answer.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const left = await eventually('it is told', () => {
      api.monitors.told?.({ color: 'blue', slot: 1, line: 'more' });
      return /\[turnout\] (\d+) lines are left out/.exec(text)?.[1];
    });
    expect(Number(left)).toBeGreaterThan(100);
    answer.destroy();
  });
});
