import { expect, test } from 'vitest';
import { check } from '../../../sidecar/health/check.ts';
import { healthConfig } from '../../support/builders-config.ts';
import { freePort } from '../../support/processes.ts';
import { saying, serving } from './servers.ts';

const health = healthConfig({ timeout: 80 });
const patient = healthConfig({ timeout: 10_000 });

test('a healthy replica is asked by GET, over a connection of its own', async () => {
  const asked: unknown[] = [];
  const address = await serving(({ method, url, headers }, answer) => {
    asked.push(method, url, headers.connection, headers['user-agent'], headers.host);
    answer.end('ok');
  });
  expect(await check(address, patient)).toEqual({
    ok: true,
    answered: true,
    detail: `GET http://${address}/health answered 200 ok`,
  });
  expect(asked).toEqual(['GET', '/health', 'close', 'turnout', address]);
});

test('a service without a health check counts as healthy', async () => {
  expect(await check('127.0.0.1:1', { ...patient, path: null })).toMatchObject({ ok: true, answered: true });
});

test('the answer is judged by its JSON', async () => {
  const address = await serving((_, answer) => void answer.end('{"status":"starting"}'));
  const picky = { ...patient, expect: { status: 200, json: { status: 'ok' } } };
  expect(await check(address, picky)).toMatchObject({
    ok: false,
    answered: true,
    detail: expect.stringContaining('status to be "ok"'),
  });
});

test('a replica that nobody listens for has not answered', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const detail = `GET http://${address}/health failed: ECONNREFUSED`;
  expect(await check(address, patient)).toEqual({ ok: false, answered: false, detail });
});

test('a replica that accepts and says nothing has not answered in time', async () => {
  const address = await saying('');
  const detail = `GET http://${address}/health gave no whole answer within 80 ms`;
  expect(await check(address, health)).toEqual({ ok: false, answered: false, detail });
});

test('a replica that stops in the middle of its body has answered, but not in time', async () => {
  const address = await saying('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  const detail = `GET http://${address}/health gave no whole answer within 80 ms`;
  expect(await check(address, health)).toEqual({ ok: false, answered: true, detail });
});

test('a replica that dies in the middle of its body has answered, but is not healthy', async () => {
  const address = await saying('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', (socket) => socket.destroy());
  expect(await check(address, patient)).toMatchObject({
    ok: false,
    answered: true,
    detail: expect.stringContaining('ECONNRESET'),
  });
});

test('a replica that closes without an answer has not answered', async () => {
  const address = await saying('', (socket) => socket.destroy());
  expect(await check(address, patient)).toMatchObject({ ok: false, answered: false });
});

test('what is not HTTP is not an answer', async () => {
  const address = await saying('SSH-2.0-OpenSSH_9.6\r\n');
  expect(await check(address, patient)).toMatchObject({ ok: false, answered: false, detail: expect.stringContaining('HPE_') });
});

test('a switch of protocols that nobody asked for ends the check', async () => {
  const address = await saying('HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n');
  const late = new Promise((resolve) => setTimeout(() => resolve('never settled'), 1000));
  expect(await Promise.race([check(address, health), late])).toMatchObject({ ok: false });
});

test('a redirect counts as its own status and is not followed', async () => {
  let asked = 0;
  const address = await serving((_, answer) => {
    asked++;
    answer.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect(await check(address, patient)).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/answered 302, expected 200$/),
  });
  expect(asked).toBe(1);
  expect(await check(address, { ...patient, expect: { status: 302, json: {} } })).toMatchObject({ ok: true });
});

test('an endless body is judged without keeping all of it', async () => {
  const address = await serving((_, answer) => void answer.end('x'.repeat(5_000_000)));
  const { ok, detail } = await check(address, patient);
  expect(ok).toBe(true);
  expect(detail.length).toBeLessThan(400);
});

test('a check that is given up ends at once', async () => {
  const given = new AbortController();
  const address = await saying('', () => given.abort());
  expect(await check(address, patient, given.signal)).toMatchObject({ ok: false, answered: false });
  expect(await check(address, patient, given.signal)).toMatchObject({ ok: false, answered: false });
});
