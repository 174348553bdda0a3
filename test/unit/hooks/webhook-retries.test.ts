import { describe, expect, test } from 'vitest';

import { backoff } from '../../../sidecar/hooks/backoff.ts';
import { eventually, freePort } from '../../support/processes.ts';
import { Bench, events, LIVE, receiver } from './bench.ts';
import { Receiver } from './receiver.ts';

const SHORTEST = [500, 1000, 2000, 4000, 8000, 16_000, 30_000];

describe('Webhooks, when a receiver does not answer as hoped', () => {
  test('waits double from 1 s to 60 s, and chance takes up to the half of each', () => {
    const waits = (random: number) => [1, 2, 3, 4, 5, 6, 7].map((tries) => backoff({ tries, age: 0, random }));
    expect(waits(1)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
    expect(waits(0)).toEqual(SHORTEST);
    expect(waits(0.5)[0]).toBe(750);
  });

  test('after 8 tries, or when the next were later than 10 minutes, there is none', () => {
    expect(backoff({ tries: 8, age: 0, random: 0 })).toBeNull();
    expect(backoff({ tries: 1, age: 599_500, random: 0 })).toBe(500);
    expect(backoff({ tries: 1, age: 599_501, random: 0 })).toBeNull();
  });

  test('a delivery is tried 8 times under one id, then the next one gets its turn', async () => {
    const target = await receiver();
    target.answers.push(...Array.from({ length: 8 }, () => 500));
    const bench = new Bench([{ url: target.origin }]);
    for (const event of events(2)) bench.webhooks.publish(event);
    for (const ms of SHORTEST) await bench.retryAfter(ms);
    await target.count(9);
    expect(target.bodies().map(({ deployment }) => deployment)).toEqual([...Array(8).fill('d-1'), 'd-2']);
    const ids = target.received.map(({ headers }) => headers['x-turnout-delivery']);
    expect(new Set(ids.slice(0, 8)).size).toBe(1);
    expect(ids[8]).not.toBe(ids[0]);
  });

  test('the waits follow the randomness that was handed in', async () => {
    const target = await receiver();
    target.answers.push(500, 500);
    const chances = [0.2, 0.8];
    const bench = new Bench([{ url: target.origin }], { random: () => chances.shift()! });
    bench.webhooks.publish(LIVE);
    await bench.retryAfter(600);
    await bench.retryAfter(1800);
    await target.count(3);
  });

  test('10 minutes after the event it is tried no more', async () => {
    const target = await receiver();
    target.answers.push(500, 500, 500, 500);
    const bench = new Bench([{ url: target.origin }]);
    for (const event of events(2)) bench.webhooks.publish(event);
    await bench.retryAfter(500);
    await eventually('the second wait', () => bench.clock.sleeping.includes(1000));
    bench.clock.advance(600_000);
    await eventually('each has had its last try', () => target.received.length === 4);
    expect(target.bodies().map(({ deployment }) => deployment)).toEqual(['d-1', 'd-1', 'd-1', 'd-2']);
    await bench.webhooks.stop();
    expect(target.received).toHaveLength(4);
  });

  test.each([400, 401, 404, 410, 422])('%i is final', async (status) => {
    const target = await receiver();
    target.answers.push(status);
    const bench = new Bench([{ url: target.origin }]);
    for (const event of events(2)) bench.webhooks.publish(event);
    await target.count(2);
    expect(target.bodies().map(({ deployment }) => deployment)).toEqual(['d-1', 'd-2']);
    await bench.webhooks.stop();
    expect(bench.lines).toMatchObject([
      { level: 50, msg: 'webhook delivery given up', tries: 1, error: `answered ${status}, expected 2xx` },
      { level: 30, msg: 'webhook works again', lost: 1 },
    ]);
  });

  test.each([408, 425, 429, 500, 502, 503])('%i is tried again', async (status) => {
    const target = await receiver();
    target.answers.push(status);
    const bench = new Bench([{ url: target.origin }]);
    bench.webhooks.publish(LIVE);
    await bench.retryAfter(500);
    await target.count(2);
  });

  test.each([200, 201, 202, 204, 299])('%i is success', async (status) => {
    const target = await receiver();
    target.answers.push(status);
    const bench = new Bench([{ url: target.origin }]);
    bench.webhooks.publish(LIVE);
    await target.count(1);
    await bench.webhooks.stop();
    expect(target.received).toHaveLength(1);
    expect(bench.lines).toEqual([]);
  });

  test.each([301, 302, 303, 307, 308])('a redirect (%i) is not followed', async (status) => {
    const [target, elsewhere] = [await receiver(), await receiver()];
    target.answers.push((response) => response.writeHead(status, { location: elsewhere.origin }).end());
    const bench = new Bench([{ url: target.origin }]);
    bench.webhooks.publish(LIVE);
    await bench.retryAfter(500);
    await target.count(2);
    expect(elsewhere.received).toEqual([]);
    expect(bench.lines[0]).toMatchObject({ error: `answered ${status}, expected 2xx; redirects are not followed` });
  });

  test('a status counts, even if the rest of the answer never comes', async () => {
    const target = await receiver();
    target.answers.push((response) => response.writeHead(200).write('so'));
    const bench = new Bench([{ url: target.origin }]);
    for (const event of events(2)) bench.webhooks.publish(event);
    await target.count(2);
    expect(bench.lines).toEqual([]);
  });

  test('no status within 5 s is tried again, and the connection is given up', async () => {
    const target = await receiver();
    let closed = false;
    target.answers.push((response) => {
      response.once('close', () => {
        closed = true;
      });
    });
    const bench = new Bench([{ url: target.origin }]);
    bench.webhooks.publish(LIVE);
    await target.count(1);
    expect(bench.clock.sleeping).toEqual([5000]);
    bench.clock.advance(4999);
    expect(bench.clock.sleeping).toEqual([5000]);
    bench.clock.advance(1);
    await bench.retryAfter(500);
    await target.count(2);
    await eventually('the first connection is closed', () => closed);
    expect(bench.lines[0]).toMatchObject({ error: 'gave no answer within 5s' });
  });

  test('a sender that does not heed its signal holds up neither the retries nor the stop', async () => {
    let tries = 0;
    const deaf = () => {
      tries++;
      return new Promise<never>(() => {});
    };
    const bench = new Bench([{ url: 'http://h' }], { send: deaf });
    bench.webhooks.publish(LIVE);
    bench.clock.advance(5000);
    await bench.retryAfter(500);
    await eventually('it is tried again', () => tries === 2);
    const stopping = bench.webhooks.stop();
    bench.clock.advance(2000);
    await stopping;
  });

  test('the log tells of the first failure and of the recovery only, and shows no more of the URL than its origin', async () => {
    const port = await freePort();
    const bench = new Bench([{ url: `http://user:password@127.0.0.1:${port}/services/T0/key?token=t`, secret: 'signing' }]);
    bench.webhooks.publish(LIVE);
    await bench.retryAfter(500);
    await bench.retryAfter(1000);
    await eventually('the third wait', () => bench.clock.sleeping.includes(2000));
    const target = await new Receiver().listen(port);
    try {
      target.answers.push(500);
      await bench.retryAfter(2000);
      await bench.retryAfter(4000);
      await target.count(2);
      await bench.webhooks.stop();
    } finally {
      await target.close();
    }
    const webhook = `http://127.0.0.1:${port}`;
    expect(bench.lines).toMatchObject([
      {
        level: 40,
        webhook,
        number: 1,
        event: 'deployment',
        error: 'gave no answer: ECONNREFUSED',
        msg: 'webhook fails; trying again',
      },
      { level: 30, webhook, number: 1, lost: 0, msg: 'webhook works again' },
    ]);
    expect(JSON.stringify(bench.lines)).not.toMatch(/services|key|token|user|password|signing/);
  });

  test('of an outage the log tells once that it began, once that deliveries are lost, and at its end how many', async () => {
    const target = await receiver();
    target.answers.push(...Array.from({ length: 16 }, () => 503));
    const bench = new Bench([{ url: target.origin }]);
    for (const event of events(3)) bench.webhooks.publish(event);
    for (const ms of [...SHORTEST, ...SHORTEST]) await bench.retryAfter(ms);
    await target.count(17);
    await bench.webhooks.stop();
    expect(bench.lines).toMatchObject([
      { msg: 'webhook fails; trying again' },
      { msg: 'webhook delivery given up', tries: 8 },
      { msg: 'webhook works again', lost: 2 },
    ]);
  });
});
