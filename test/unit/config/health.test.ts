import { expect, test } from 'vitest';
import { load, refusal, service } from './temp.ts';

function withHealth(line: string): string {
  return `services:\n  a:\n    command: [a]\n    ${line}\n`;
}

test('health: none is a service without a check; everything else about it keeps its default', async () => {
  const [checked] = (await load(service())).services;
  const [unchecked] = (await load(withHealth('health: none'))).services;
  expect(unchecked!.health).toEqual({ ...checked!.health, path: null });
});

test('exposeHealth is accepted with health: none, though nothing is there to be hidden', async () => {
  const [unchecked] = (await load(withHealth('health: none\n    exposeHealth: true'))).services;
  expect(unchecked).toMatchObject({ health: { path: null }, exposeHealth: true });
});

const ON_PURPOSE = 'because a release gets traffic only after .*, or health: none to say on purpose that there is no check$';

test.each([
  ['', `^turnout.yaml:2:3: the key "health" is missing, expected a path such as /health .*${ON_PURPOSE}`],
  ['health:', `:4:12: found nothing, expected a path such as /health .*${ON_PURPOSE}`],
  ['health: false', ':4:13: found false, expected a map with the keys path, .*, or health: none to say on purpose'],
  ['health: health', ':4:13: found "health", expected a path that starts with /'],
  ['health: None', ':4:13: found "None", expected a path that starts with /'],
  ['health: {}', ':4:5: the key "path" is missing, expected a path'],
  ['health: { path: none, interval: 2s }', ':4:21: found "none", expected a path .*; health: none, .*, takes no other keys$'],
  ['health: { path: null }', ':4:21: found nothing, expected a path that starts with /'],
  ['health: { path: /, expect: { status: 99 } }', ':4:42: found 99, expected a whole number from 200 to 599$'],
  ['health: { path: /, interval: 0s }', ':4:34: found "0s", expected a duration of at least 1ms$'],
  ['health: { path: /, warmup: 1 }', ':4:24: unknown key "warmup", expected one of path, interval, .*, expect$'],
])('a service with %j is refused', async (line, expected) => {
  expect(await refusal(withHealth(line))).toEqual([expect.stringMatching(expected)]);
});
