import { mkdir, readFile, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { loadToken, sameToken, tokenFile } from '../../../sidecar/api/token.ts';
import { folderWith } from '../config/temp.ts';

test('a token is made at the first start, and the same one is used from then on', async () => {
  const state = await folderWith({});
  const token = await loadToken(state);
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(await loadToken(state)).toBe(token);
  expect(await loadToken(await folderWith({}))).not.toBe(token);
});

test('only its owner can read it', async () => {
  const state = await folderWith({});
  await loadToken(state);
  expect((await stat(tokenFile(state))).mode & 0o777).toBe(0o600);
});

test('a token that somebody wrote by hand counts, whatever blanks stand around it', async () => {
  const state = await folderWith({ token: '  my token \n\n' });
  expect(await loadToken(state)).toBe('my token');
});

test('an empty file is as good as none', async () => {
  const state = await folderWith({ token: '\n' });
  expect(await loadToken(state)).toMatch(/^[\w-]{43}$/);
  expect((await readFile(tokenFile(state), 'utf8')).length).toBe(44);
});

test('a token that cannot be read is not replaced', async () => {
  const state = await folderWith({});
  await mkdir(tokenFile(state));
  await expect(loadToken(state)).rejects.toThrow();
});

test('tokens are compared whole', () => {
  expect(sameToken('abc', 'abc')).toBe(true);
  for (const other of ['', 'ab', 'abcd', 'abd', 'ABC']) expect(sameToken(other, 'abc')).toBe(false);
});
