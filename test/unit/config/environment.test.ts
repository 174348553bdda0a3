import { expect, test } from 'vitest';
import { load, refusal, service } from './temp.ts';

test('env files are read in order, and env wins over them', async () => {
  const config = await load(
    service('envFile: [a.env, sub/b.env]', 'env: { THREE: env }'),
    {},
    {
      'a.env': '# a comment\nONE=a\nTWO=a\nTHREE=a\n',
      'sub/b.env': 'export TWO="b with spaces" # why\nQUOTED=\'single $X ${X}\'\nMULTI="1\n2"\nEMPTY=\n',
    },
  );
  expect(config.services[0]!.env).toEqual({
    ONE: 'a',
    TWO: 'b with spaces',
    THREE: 'env',
    QUOTED: 'single $X ${X}',
    MULTI: '1\n2',
    EMPTY: '',
  });
});

test('one env file may be given without a list', async () => {
  expect((await load(service('envFile: .env'), {}, { '.env': 'A=1\r\nB=2' })).services[0]!.env).toEqual({ A: '1', B: '2' });
});

test.each([
  ['nope.env', /^turnout.yaml:5:14: found "nope.env", which does not exist, expected a file of KEY=VALUE lines$/],
  ['"."', /^turnout.yaml:5:14: found ".", which cannot be read \(EISDIR\), expected/],
])('the env file %s is refused', async (file, expected) => {
  expect(await refusal(service(`envFile: ${file}`))).toEqual([expect.stringMatching(expected)]);
});

test.each([
  ['A=1\ns3cr3t-line\nB=2\n', 'whose line 2 is not understood'],
  ['A=1\n=s3cr3t\nB=2\n', 'which has a line that is not understood'],
  ['A=1\nB=2\ns3cr3t-line', 'is not understood'],
  ['A=1\nB-C=s3cr3t\n', 'whose line 2 is not understood'],
])('the broken env file %j is refused, not cut short, and not shown', async (text, expected) => {
  const lines = await refusal(service('envFile: a.env'), {}, { 'a.env': text });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('turnout.yaml:5:14: found "a.env", ');
  expect(lines[0]).toContain(expected);
  expect(lines[0]).not.toContain('s3cr3t');
});

test('PORT in an env file is refused, as in env', async () => {
  expect(await refusal(service('envFile: a.env'), {}, { 'a.env': 'PORT=80\nTURNOUT_X=1\n' })).toEqual([
    expect.stringMatching(/^turnout.yaml:5:14: in "a.env": found the variable "PORT", .*Turnout itself sets PORT/),
    expect.stringMatching(/^turnout.yaml:5:14: in "a.env": found the variable "TURNOUT_X"/),
  ]);
});

test('what came from the environment or an env file is a secret; a default and plain text are not', async () => {
  const config = await load(
    service('envFile: a.env', 'env: { A: "x-${TOKEN}-${TOKEN}", B: "${UNSET:-a default}", C: plain text, D: "${TINY}" }'),
    { TOKEN: 'from-outside', TINY: 'abc', UNUSED: 'never asked for' },
    { 'a.env': 'FILED=from-file\nSHORT=abc\n' },
  );
  expect(config.secrets).toEqual([
    { name: 'FILED', value: 'from-file' },
    { name: 'TOKEN', value: 'from-outside' },
  ]);
});

test('no message shows the value of a variable or of an env file', async () => {
  const lines = await refusal(
    service('envFile: a.env', 'env: { A: "${TOKEN} ${NOPE}", PORT: "${TOKEN}", B: "${TOKEN} ${" }'),
    { TOKEN: 's3cr3t-value' },
    { 'a.env': 'PORT=s3cr3t-value\n' },
  );
  expect(lines).toHaveLength(4);
  expect(lines.join('\n')).not.toContain('s3cr3t');
});
