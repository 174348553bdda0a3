import { expect, test } from 'vitest';
import { redact } from '../../../sidecar/config/redact.ts';

test('every occurrence of a secret value becomes the name of its variable', () => {
  expect(redact('pw=hunter2 again hunter2', [{ name: 'PW', value: 'hunter2' }])).toBe('pw=${PW} again ${PW}');
});

test('a longer value wins over a shorter one inside of it', () => {
  const secrets = [
    { name: 'SHORT', value: 'secret' },
    { name: 'LONG', value: 'my-secret-key' },
  ];
  expect(redact('my-secret-key secret', secrets)).toBe('${LONG} ${SHORT}');
});

test('a value that occurs in the name of another is not replaced there', () => {
  const secrets = [
    { name: 'TOKEN', value: 'abcdefgh' },
    { name: 'B', value: 'TOKEN' },
  ];
  expect(redact('abcdefgh', secrets)).toBe('${TOKEN}');
});

test('characters with a meaning in patterns and replacements are taken as they are', () => {
  expect(redact('x a.*+$& y', [{ name: 'P', value: 'a.*+$&' }])).toBe('x ${P} y');
  expect(redact('x abcd y', [{ name: 'P', value: 'a..d' }])).toBe('x abcd y');
});

test('a value is found in its escaped form inside JSON', () => {
  const secrets = [{ name: 'KEY', value: 'line "one"\nline two' }];
  expect(redact(JSON.stringify({ key: 'line "one"\nline two' }), secrets)).toBe('{"key":"${KEY}"}');
});

test('values under four characters leave the text alone', () => {
  expect(
    redact('on and on', [
      { name: 'A', value: 'on' },
      { name: 'B', value: '' },
    ]),
  ).toBe('on and on');
});
