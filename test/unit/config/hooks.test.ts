import { expect, test } from 'vitest';
import { load, refusal, service } from './temp.ts';

test('a hook may be given as its words alone, and others are left out', async () => {
  const { hooks } = (await load(service('hooks: { afterLive: [./tell, "{release}"] }'))).services[0]!;
  expect(hooks).toEqual({
    beforeSwitch: null,
    afterLive: { command: ['./tell', '{release}'], timeout: 60_000 },
    afterRollback: null,
  });
});

test('a hook with keys may leave its timeout out', async () => {
  const { hooks } = (
    await load(service('hooks: { beforeSwitch: { command: [a] }, afterRollback: { command: [b], timeout: 1m } }'))
  ).services[0]!;
  expect(hooks.beforeSwitch).toEqual({ command: ['a'], timeout: 60_000 });
  expect(hooks.afterRollback).toEqual({ command: ['b'], timeout: 60_000 });
});

const LIST = 'a list of the program and its arguments such as \\[node, notify.js\\]';

test.each([
  ['afterLive: node tell.js', `5:25: found "node tell.js", expected ${LIST}, not one string: no shell takes it apart$`],
  ['afterLive: []', `5:25: found an empty list, expected ${LIST}$`],
  ['afterLive:', `5:25: found nothing, expected ${LIST}$`],
  ['afterLive: [sleep, 5]', '5:33: found 5, expected a word of the command \\(a number needs quotes\\)'],
  ['afterLive: { timeout: 5s }', `5:14: the key "command" is missing, expected ${LIST}$`],
  ['afterLive: { command: [a], timeout: 0s }', '5:50: found "0s", expected a duration of at least 1ms$'],
  ['afterLive: { command: [a], shell: true }', '5:41: unknown key "shell", expected one of command, timeout$'],
  ['afterSwitch: [a]', '5:14: unknown key "afterSwitch", expected one of beforeSwitch, afterLive, afterRollback$'],
])('hooks: { %s } is refused', async (hook, expected) => {
  expect(await refusal(service(`hooks: { ${hook} }`))).toEqual([expect.stringMatching(`^turnout.yaml:${expected}`)]);
});
