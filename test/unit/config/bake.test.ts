import { expect, test } from 'vitest';
import type { BakeConfig } from '../../../sidecar/config/config.ts';
import { load, refusal, service } from './temp.ts';

async function bake(keys: string): Promise<BakeConfig> {
  return (await load(service(`bake: { ${keys} }`))).services[0]!.bake;
}

test.each([
  ['1%', 0.01],
  ['0%', 0],
  ['100%', 1],
  ['0.7%', 0.007],
  ['0.001%', 0.00001],
  ['0', 0],
  ['0.05', 0.05],
  ['1', 1],
])('maxErrorRate %s is the share %d', async (text, expected) => {
  expect((await bake(`maxErrorRate: ${text}`)).maxErrorRate).toBe(expected);
});

test.each([
  ['80%', 0.8],
  ['150%', 1.5],
  ['0.25', 0.25],
  ['2', 2],
  ['none', null],
])('maxCpu %s is %d cores', async (text, expected) => {
  expect((await bake(`maxCpu: ${text}`)).maxCpu).toBe(expected);
});

test.each([
  ['100b', 100],
  ['300k', 307_200],
  ['512m', 536_870_912],
  ['1g', 1_073_741_824],
  ['1.5g', 1_610_612_736],
  ['none', null],
])('maxMemory %s is %d bytes', async (text, expected) => {
  expect((await bake(`maxMemory: ${text}`)).maxMemory).toBe(expected);
});

test('a bake without other keys keeps their defaults, and 0s is none', async () => {
  expect(await bake('for: 0s')).toEqual({ ...(await bake('')), for: 0 });
});

test('logErrors may be the text of the pattern alone: not one line may match then', async () => {
  expect((await bake('logErrors: "panic: \\\\d+"')).logErrors).toEqual({ pattern: /panic: \d+/, max: 0 });
  expect((await bake('logErrors: { pattern: none }')).logErrors).toEqual({ pattern: /none/, max: 0 });
});

test('the pattern judges every line by itself, whatever it matched before', async () => {
  const { pattern } = (await bake('logErrors: ERROR')).logErrors!;
  expect([1, 2, 3].map(() => pattern.test('ERROR'))).toEqual([true, true, true]);
});

test.each([
  ['for: 60', 'found 60, expected a duration .*the unit is missing'],
  ['minRequests: 0', 'found 0, expected a whole number from 1 to 1000000$'],
  ['minRequests: 1000001', 'found 1000001, expected'],
  ['onInconclusive: fail', 'found "fail", expected pass or rollback$'],
  ['maxErrorRate: none', 'found "none", expected a share such as 0.5% .* or a number from 0 to 1$'],
  ['maxErrorRate: 100.001%', 'found "100.001%", expected a share'],
  ['maxErrorRate: 0.0001%', 'found "0.0001%", expected .*at most 3 decimals'],
  ['maxErrorRate: -1%', 'found "-1%", expected a share'],
  ['maxErrorRate: "0.01"', 'found "0.01", expected a share'],
  ['maxErrorRate: 1.1', 'found 1.1, expected a share'],
  ['maxErrorRate: .nan', 'found .nan, expected a share'],
  ['maxP99: 0', 'found 0, expected a duration of at least 1ms, or none$'],
  ['maxP99: fast', 'found "fast", expected a duration such as 500ms, 30s, 10m or 1h, or none$'],
  ['maxRestarts: -1', 'found -1, expected a whole number from 0 to'],
  ['maxCpu: 0%', 'found "0%", expected a number of cores above 0 .*, or none$'],
  ['maxCpu: "0.8"', 'found "0.8", expected a number of cores'],
  ['maxCpu: .inf', 'found .inf, expected a number of cores'],
  ['maxMemory: 512', 'found 512, expected an amount of memory .*the unit is missing: b, k, m or g\\), or none$'],
  ['maxMemory: 512MB', 'found "512MB", expected an amount of memory such as 512m or 1.5g, or none$'],
  ['maxMemory: 0m', 'found "0m", expected an amount of memory above 0, or none$'],
  ['logErrors: "("', 'found "\\(", expected .*regular expression .*\\(JavaScript: Unterminated group\\)$'],
  ['logErrors: "[b-a]/x: ("', 'found .*, expected .*\\(JavaScript: Range out of order in character class\\)$'],
  ['logErrors: "a\\nb("', 'found "a\\\\nb\\(", expected .*\\(JavaScript: Unterminated group\\)$'],
  ['logErrors: ""', 'found "", expected the text of a regular expression'],
  ['logErrors: 500', 'found 500, expected the text of a regular expression .*a number needs quotes\\)$'],
  ['logErrors: { max: 1 }', 'the key "pattern" is missing, expected the text of a regular expression'],
  ['logErrors: { pattern: a, max: -1 }', 'found -1, expected a whole number from 0 to'],
  ['logErrors: { pattern: a, mx: 1 }', 'unknown key "mx", expected one of pattern, max \\(did you mean "max"\\?\\)$'],
  ['minRequest: 5', 'unknown key "minRequest", .*did you mean "minRequests"'],
])('bake: { %s } is refused', async (keys, expected) => {
  expect(await refusal(service(`bake: { ${keys} }`))).toEqual([expect.stringMatching(`^turnout.yaml:5:\\d+: ${expected}`)]);
});

test('a bake that is no map is refused with its keys', async () => {
  expect(await refusal(service('bake: 60s'))).toEqual([
    expect.stringMatching(/^turnout.yaml:5:11: found "60s", expected a map with the keys for, minRequests, /),
  ]);
});
