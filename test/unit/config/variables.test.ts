import { expect, test } from 'vitest';
import { load, refusal, service } from './temp.ts';

async function env(value: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
  return (await load(service(`env: { A: ${JSON.stringify(value)} }`), variables)).services[0]!.env.A!;
}

test.each([
  ['${X}', { X: 'one' }, 'one'],
  ['a-${X}-${Y}', { X: '1', Y: '2' }, 'a-1-2'],
  ['${X}', { X: '' }, ''],
  ['${X:-fallback}', {}, 'fallback'],
  ['${X:-fallback}', { X: '' }, 'fallback'],
  ['${X:-}', {}, ''],
  ['${X:-http://h:1/?a=b}', {}, 'http://h:1/?a=b'],
  ['${X:-fallback}', { X: 'set' }, 'set'],
  ['${X:?tell}', { X: 'set' }, 'set'],
  ['$${X}', { X: 'one' }, '${X}'],
  ['$$${X}', { X: 'one' }, '$${X}'],
  ['$X and $', {}, '$X and $'],
  ['{release}', {}, '{release}'],
  ['${X}', { X: '${Y}', Y: 'not expanded again' }, '${Y}'],
  ['${X}', { X: '$& $1' }, '$& $1'],
])('%s with %j is %j', async (value, variables, expected) => {
  expect(await env(value, variables)).toBe(expected);
});

test.each([
  ['${NOPE}', {}, 'the variable NOPE is not set, expected it in the environment or a default as in ${NOPE:-default}'],
  ['${NOPE:?make a token first}', {}, 'the variable NOPE is not set: make a token first, expected it in the environment'],
  ['${NOPE:?make one}', { NOPE: '' }, 'the variable NOPE is empty: make one, expected'],
  ['${1X}', {}, 'found "${1X}", expected ${VAR}, ${VAR:-default} or ${VAR:?message}, or $${ for a plain ${'],
  ['${X', { X: '1' }, 'found "${X", expected ${VAR}'],
  ['${X-a}', {}, 'found "${X-a}", expected ${VAR}'],
  ['${X:-${Y}}', {}, 'found "${X:-${Y}", expected ${VAR}'],
])('%s with %j is refused with its position', async (value, variables, expected) => {
  const lines = await refusal(service('env:', `  A: ${JSON.stringify(value)}`), variables);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(`turnout.yaml:6:10: ${expected}`);
});

test('an unset variable is told for each of its places', async () => {
  expect(await refusal(service('env: { A: "${X}${Y}", B: "${X}" }'))).toHaveLength(3);
});

test.each([
  'cwd: a/${X}',
  'hooks: { afterLive: [notify, "${X}"] }',
  'smoke: [{ get: "/${X}" }]',
  'bake: { logErrors: "a|${X}" }',
  'release: ${X}',
  'route: { host: "${X}" }',
  'health: { path: "/", expect: { json: { a: ["${X}"] } } }',
  'envFile: "${X}"',
  'cwd: $${X}',
])('a variable in another place is refused, alone: %s', async (line) => {
  const yaml = line.startsWith('health') ? `services:\n  a:\n    command: [a]\n    ${line}\n` : service(line);
  expect(await refusal(yaml, { X: 'one' })).toEqual([
    expect.stringMatching(
      /: found ".*", expected text without \$\{: variables work only in the values of env and in url and secret of webhooks$/,
    ),
  ]);
});

test('numbers and booleans become the text that is written', async () => {
  const config = await load(service('env: { A: 8000, B: 1.10, C: true, D: False, E: "", F: 0x10, G: -1 }'));
  expect(config.services[0]!.env).toEqual({ A: '8000', B: '1.10', C: 'true', D: 'false', E: '', F: '0x10', G: '-1' });
});

test.each(['A:', 'A: [1]', 'A: { b: 1 }'])('the env entry %s is refused', async (entry) => {
  expect(await refusal(service('env:', `  ${entry}`))).toEqual([
    expect.stringMatching(/^turnout.yaml:6:\d+: found .*, expected text, a number, true or false$/),
  ]);
});

test.each([
  ['1A', 'expected letters, digits and _'],
  ['A-B', 'expected letters, digits and _'],
  ['PORT', 'Turnout itself sets PORT and all TURNOUT_ variables'],
  ['TURNOUT_COLOR', 'Turnout itself sets PORT and all TURNOUT_ variables'],
])('the name %s is refused in env', async (name, expected) => {
  const lines = await refusal(service('env:', `  ${name}: x`));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^turnout.yaml:6:7: found the variable/);
  expect(lines[0]).toContain(expected);
});
