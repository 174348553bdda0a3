import { expect, test } from 'vitest';
import { load, refusal, service } from './temp.ts';

test('a smoke check without a timeout has that of the health check', async () => {
  const config = await load(`services:
  a: { command: [a], route: { path: /a }, health: { path: /, timeout: 7s }, smoke: [{ get: /x }, { get: /y, timeout: 1s }] }
  b: { command: [b], route: { path: /b }, health: none, smoke: [{ get: /x }] }
`);
  expect(config.services.map(({ smoke }) => smoke.map(({ timeout }) => timeout))).toEqual([[7000, 1000], [5000]]);
});

test.each([
  ['warm: /', ':5:11: found "/", expected a list of requests such as \\[{ get: /, count: 20 }\\]$'],
  ['warm: [/]', ':5:12: found "/", expected a map with the keys get, count$'],
  ['warm: [{ count: 5 }]', ':5:12: the key "get" is missing, expected a path that starts with /'],
  ['warm: [{ get: "/a b" }]', ':5:19: found "/a b", expected a path that starts with / and has no spaces'],
  ['warm: [{ get: "http://h/" }]', ':5:19: found "http://h/", expected a path that starts with /'],
  ['warm: [{ get: none }]', ':5:19: found "none", expected a path that starts with /'],
  ['warm: [{ get: /, count: 0 }]', ':5:29: found 0, expected a whole number from 1 to 10000$'],
  ['warm: [{ get: /, count: 10001 }]', ':5:29: found 10001, expected'],
  ['warm: [{ get: /, times: 5 }]', ':5:22: unknown key "times", expected one of get, count$'],
  ['smoke: { get: / }', ':5:12: found a map, expected a list of checks such as'],
  ['smoke: [{ expect: {} }]', ':5:13: the key "get" is missing, expected a path'],
  ['smoke: [{ get: /, timeout: 0 }]', ':5:32: found 0, expected a duration of at least 1ms$'],
  ['smoke: [{ get: /, expect: { status: 700 } }]', ':5:41: found 700, expected a whole number from 200 to 599$'],
  ['smoke: [{ get: /, expect: { json: 1 } }]', ':5:39: found 1, expected a map of the keys and values'],
  ['smoke: [{ get: /, count: 2 }]', ':5:23: unknown key "count", expected one of get, timeout, expect$'],
])('%s is refused', async (line, expected) => {
  expect(await refusal(service(line))).toEqual([expect.stringMatching(`^turnout.yaml${expected}`)]);
});
