import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { event } from '../../support/builders-record.ts';
import { eventually } from '../../support/processes.ts';
import { type Api, problemOf, startApi, TOKEN } from './fake.ts';

const { accepted, phase, flip } = event;

let api: Api;
const open: IncomingMessage[] = [];

beforeEach(async () => {
  api = await startApi();
});
afterEach(() => {
  for (const stream of open.splice(0)) stream.destroy();
});

interface Stream {
  answer: IncomingMessage;
  text: () => string;
  ids: () => number[];
}

async function follow(query = '', headers: Record<string, string> = {}): Promise<Stream> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const all = { authorization: `Bearer ${TOKEN}`, ...headers };
    get(`${api.origin}/v1/events${query}`, { headers: all, agent: false }, resolve).once('error', reject);
  });
  open.push(answer);
  let text = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  answer.on('error', () => undefined);
  return { answer, text: () => text, ids: () => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)) };
}

test('what happens from now on is told, with the number of its line', async () => {
  api.journal.write(accepted('d1', 'v1', 'blue'));
  const stream = await follow();
  expect(stream.answer.headers['content-type']).toBe('text/event-stream');
  await eventually('it is open', () => api.journal.listening === 1);
  api.journal.write(phase('d1', 'gating'));
  await eventually('it is told', () => stream.ids().length > 0);
  expect(stream.text()).toMatch(/^retry: 1000\n\nid: 2\nevent: phase\ndata: \{"seq":2,.*"phase":"gating".*\}\n\n$/);
});

test.each([true, false])(
  'what a client has missed is told first, and what is written meanwhile exactly once (%s)',
  async (early) => {
    api.journal.readsEarly = early;
    for (const release of ['v1', 'v2', 'v3']) api.journal.write(accepted(`d-${release}`, release, 'blue'));
    let go = (): void => undefined;
    api.journal.delay = new Promise((resolve) => {
      go = resolve;
    });
    const opening = follow('', { 'last-event-id': '1' });
    await eventually('it listens', () => api.journal.listening === 1);
    api.journal.write(flip('blue', 'v3'));
    go();
    const stream = await opening;
    api.journal.write(flip('green', 'v4'));
    await eventually('all is told', () => stream.ids().at(-1) === 5);
    expect(stream.ids()).toEqual([2, 3, 4, 5]);
  },
);

test('what only matters inside is not told, nor are counters', async () => {
  const stream = await follow('?after=0');
  await eventually('it is open', () => api.journal.listening === 1);
  const inside = { service: 'backend', deployment: 'd1', step: 'start blue 1' };
  api.journal.write({ kind: 'intent', ...inside });
  api.journal.write({ kind: 'outcome', ...inside, ok: true, detail: '' });
  api.journal.write(flip('green', 'v4'));
  await eventually('the flip is told', () => stream.ids().length > 0);
  expect(stream.ids()).toEqual([3]);
  expect(stream.text()).not.toContain('traffic');
});

test('a stream can be narrowed to a service and a deployment', async () => {
  api.journal.write(accepted('d1', 'v1', 'blue'));
  api.journal.write({ ...accepted('d2', 'v1', 'blue'), service: 'frontend' });
  api.journal.write(phase('d1', 'gating'));
  const ofService = await follow('?after=0&service=frontend');
  const ofDeployment = await follow('?after=0&deployment=d1');
  await eventually('both are told', () => ofService.ids().length > 0 && ofDeployment.ids().length > 1);
  expect([ofService.ids(), ofDeployment.ids()]).toEqual([[2], [1, 3]]);
});

test('a client that is gone is forgotten', async () => {
  const stream = await follow();
  await eventually('it is open', () => api.journal.listening === 1);
  stream.answer.destroy();
  await eventually('nobody listens', () => api.journal.listening === 0);
});

test('without the token there are no events', async () => {
  const answer = await api.ask('GET', '/v1/events', undefined, {});
  expect(problemOf(answer)).toMatchObject({ status: 401 });
  expect(api.journal.listening).toBe(0);
});

test('an id that is no number is refused', async () => {
  const answer = await api.ask('GET', '/v1/events?after=soon');
  expect([answer.status, answer.body]).toEqual([400, expect.stringContaining('expected the id of an event: a whole number')]);
  expect(api.journal.listening).toBe(0);
});
