import { describe, expect, test } from 'vitest';

import type { Send } from '../../../sidecar/hooks/send.ts';
import { eventually } from '../../support/processes.ts';
import { Bench, events, FLIP, LIVE, receiver } from './bench.ts';
import { verifySignature } from './verify-signature.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Answers when the test says so; once opened it answers by itself. */
function heldSend() {
  const posts: { body: string; answer: (status: number) => void }[] = [];
  let isOpen = false;
  const send: Send = (_, { body }) =>
    new Promise((resolve) => {
      const answer = (status: number) => resolve({ status });
      posts.push({ body, answer });
      if (isOpen) answer(200);
    });
  const open = () => {
    isOpen = true;
    posts.at(-1)?.answer(200);
  };
  return { posts, send, open };
}

describe('Webhooks', () => {
  test('an event is one POST of JSON with the whole of it', async () => {
    const target = await receiver();
    const { webhooks, lines } = new Bench([{ url: `${target.origin}/in/box?key=1` }]);
    webhooks.publish(LIVE);
    const [post] = await target.count(1);
    expect(post).toMatchObject({ method: 'POST', path: '/in/box?key=1' });
    expect(post!.headers).toMatchObject({
      'content-type': 'application/json',
      'x-turnout-event': 'deployment',
      'x-turnout-delivery': expect.stringMatching(UUID),
      'x-turnout-timestamp': expect.stringMatching(/^\d{10}$/),
    });
    expect(post!.headers).not.toHaveProperty('x-turnout-signature');
    const { kind, ...rest } = LIVE;
    expect(JSON.parse(post!.body)).toEqual({ event: kind, ...rest });
    await webhooks.stop();
    expect(target.received).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  test('a flip by hand has neither deployment nor phase', async () => {
    const target = await receiver();
    const { webhooks } = new Bench([{ url: target.origin }]);
    webhooks.publish(FLIP);
    const [post] = await target.count(1);
    expect(post!.headers['x-turnout-event']).toBe('flip');
    expect(JSON.parse(post!.body)).toMatchObject({ event: 'flip', deployment: null, phase: null, by: 'control-api' });
  });

  test('with a secret each try is signed over its own time and the body', async () => {
    const target = await receiver();
    target.answers.push(500);
    const { webhooks, clock, retryAfter } = bind(new Bench([{ url: target.origin, secret: 'key ü' }]));
    const begin = Math.floor(clock.date().getTime() / 1000);
    webhooks.publish({ ...LIVE, message: 'grüße' });
    await target.count(1);
    clock.jump(59_500);
    await retryAfter(500);
    const posts = await target.count(2);
    expect(posts.map(({ headers }) => Number(headers['x-turnout-timestamp']) - begin)).toEqual([0, 60]);
    for (const { headers, body } of posts) {
      expect(verifySignature(headers, body, 'key ü')).toBe(true);
      expect(verifySignature(headers, `${body} `, 'key ü')).toBe(false);
      expect(verifySignature({ ...headers, 'x-turnout-timestamp': '1' }, body, 'key ü')).toBe(false);
      expect(verifySignature(headers, body, 'other')).toBe(false);
    }
  });

  test('name and password of a URL are sent as such', async () => {
    const target = await receiver();
    const { webhooks } = new Bench([{ url: target.origin.replace('//', '//me:p%40ss@') }]);
    webhooks.publish(LIVE);
    const [post] = await target.count(1);
    expect(post!.headers.authorization).toBe(`Basic ${btoa('me:p@ss')}`);
  });

  test('slack gets one escaped line', async () => {
    const target = await receiver();
    const { webhooks } = new Bench([{ url: target.origin, format: 'slack' }]);
    webhooks.publish({ ...LIVE, message: 'all <!channel> & more\n  on a second line' });
    webhooks.publish({ ...FLIP, release: null, previous: null, message: 'by hand' });
    await target.count(2);
    expect(target.bodies()).toEqual([
      {
        text: 'backend: v2 is live in green (bake-passed): all &lt;!channel&gt; &amp; more on a second line; before: v1; by ci',
      },
      { text: 'backend: traffic moved by hand to green (unknown release): by hand; by control-api' },
    ]);
  });

  test('publish returns before anything is sent, and does not throw whatever the sender does', async () => {
    const { webhooks, told } = bind(
      new Bench([{ url: 'http://h' }, { url: 'no url' }], {
        send: () => {
          throw new Error('broken');
        },
      }),
    );
    expect(webhooks.publish(LIVE)).toBeUndefined();
    await eventually('both have failed', () => told().length === 2);
    const bad = { ...LIVE, message: 1n } as unknown as typeof LIVE;
    expect(webhooks.publish(bad)).toBeUndefined();
    expect(told().at(-1)).toBe('an event could not be put into words');
  });

  test('deliveries come in the order of the events, one at a time, also over retries', async () => {
    const { posts, send } = heldSend();
    const { webhooks, retryAfter } = bind(new Bench([{ url: 'http://h' }], { send }));
    for (const event of events(3)) webhooks.publish(event);
    for (const status of [204, 500]) {
      posts.at(-1)!.answer(status);
      if (status === 204) await eventually('the second is sent', () => posts.length === 2);
    }
    await retryAfter(500);
    await eventually('it is sent again', () => posts.length === 3);
    posts[2]!.answer(200);
    await eventually('the third is sent', () => posts.length === 4);
    expect(posts.map(({ body }) => JSON.parse(body).deployment)).toEqual(['d-1', 'd-2', 'd-2', 'd-3']);
  });

  test('a webhook that hangs holds up no other one', async () => {
    const [stuck, fine] = [await receiver(), await receiver()];
    stuck.answers.push(() => {});
    const { webhooks } = new Bench([{ url: stuck.origin }, { url: fine.origin }]);
    for (const event of events(3)) webhooks.publish(event);
    await fine.count(3);
    expect(fine.bodies().map(({ deployment }) => deployment)).toEqual(['d-1', 'd-2', 'd-3']);
    expect(await stuck.count(1)).toHaveLength(1);
    expect(stuck.received[0]!.headers['x-turnout-delivery']).not.toBe(fine.received[0]!.headers['x-turnout-delivery']);
  });

  test('at most 1000 wait, beyond that the oldest are dropped and one line says so', async () => {
    const { posts, send, open } = heldSend();
    const { webhooks, lines, told } = bind(new Bench([{ url: 'http://h/secret' }], { send }));
    for (const event of events(1004)) webhooks.publish(event);
    expect(told()).toEqual(['too many webhook deliveries wait; the oldest are dropped']);
    expect(lines[0]).toMatchObject({ webhook: 'http://h', number: 1, limit: 1000 });
    open();
    await webhooks.stop();
    const names = posts.map(({ body }) => JSON.parse(body).deployment);
    expect(names).toEqual([
      'd-1',
      ...events(1004)
        .slice(4)
        .map(({ deployment }) => deployment),
    ]);
    expect(lines).toHaveLength(1);
  });

  test('stop waits for what is pending', async () => {
    const target = await receiver();
    let release = () => {};
    target.answers.push((response) => {
      release = () => response.writeHead(200).end();
    });
    const { webhooks, lines, clock } = new Bench([{ url: target.origin }]);
    for (const event of events(2)) webhooks.publish(event);
    await target.count(1);
    const stopping = webhooks.stop();
    clock.advance(1999);
    release();
    await stopping;
    expect(target.received).toHaveLength(2);
    expect(lines).toEqual([]);
    expect(clock.sleeping).toEqual([]);
  });

  test('stop drops after 2 s what is pending then, with one line for all', async () => {
    const [hung, down] = [await receiver(), await receiver()];
    hung.answers.push(() => {});
    down.answers.push(503);
    const { webhooks, lines, clock } = new Bench([{ url: hung.origin }, { url: down.origin }]);
    for (const event of events(3)) webhooks.publish(event);
    await hung.count(1);
    await eventually('the second one waits for its retry', () => clock.sleeping.includes(500));
    lines.length = 0;
    down.answers.push(...Array.from({ length: 9 }, () => 503));
    const stopping = webhooks.stop();
    expect(webhooks.stop()).toBe(stopping);
    clock.advance(2000);
    await stopping;
    const told = 'stopped before all webhook deliveries were acknowledged; the rest is dropped';
    expect(lines).toMatchObject([{ level: 40, dropped: 6, msg: told }]);
    expect(clock.sleeping).toEqual([]);
  });

  test('after a stop nothing is sent any more', async () => {
    const { posts, send, open } = heldSend();
    const { webhooks } = new Bench([{ url: 'http://h' }], { send });
    webhooks.publish(LIVE);
    const stopping = webhooks.stop();
    webhooks.publish(FLIP);
    open();
    await stopping;
    webhooks.publish(FLIP);
    expect(posts).toHaveLength(1);
  });
});

/** What is taken out of a bench keeps belonging to it. */
function bind(bench: Bench) {
  const { webhooks, clock, lines } = bench;
  return { webhooks, clock, lines, told: () => bench.told, retryAfter: (ms: number) => bench.retryAfter(ms) };
}
