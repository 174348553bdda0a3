import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePackages } from '../../build/packages.js';

let root: string;
let said: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'turnout-packages-'));
  said = [];
  mkdirSync(join(root, 'bin'));
  lock({
    'node_modules/yaml': { version: '2.9.1', integrity: 'a' },
    'node_modules/mac-only': { version: '1.0.0', integrity: 'b', optional: true },
  });
  fakeNpm('mkdir -p node_modules/yaml');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function lock(packages: object, path = 'package-lock.json') {
  writeFileSync(join(root, path), JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'fixture' }, ...packages } }));
}

function fakeNpm(work: string) {
  const calls = 'PATH=/usr/bin:/bin\necho "$* NODE_ENV=$NODE_ENV" >> npm-calls\necho "all about it"';
  const script = `#!/bin/sh\n${calls}\nrm -rf node_modules\n${work}\n`;
  writeFileSync(join(root, 'bin/npm'), script);
  chmodSync(join(root, 'bin/npm'), 0o755);
}

const ensure = () =>
  ensurePackages({ root, env: { PATH: join(root, 'bin'), NODE_ENV: 'production' }, log: (line) => said.push(line) });
const calls = () => (existsSync(join(root, 'npm-calls')) ? readFileSync(join(root, 'npm-calls'), 'utf8').trim().split('\n') : []);

test('a fresh clone gets npm ci, without scripts, with what the tests need', async () => {
  await ensure();
  expect(calls()).toEqual(['ci --ignore-scripts --include=dev --prefer-offline NODE_ENV=']);
  expect(said).toEqual(['installing packages (npm ci)']);
});

test('a second start does nothing and says nothing', async () => {
  await ensure();
  said = [];
  await ensure();
  expect(calls()).toHaveLength(1);
  expect(said).toEqual([]);
});

test('a changed lock file is installed', async () => {
  await ensure();
  lock({ 'node_modules/yaml': { version: '2.9.2', integrity: 'c' } });
  await ensure();
  expect(calls()).toHaveLength(2);
});

test('what npm installed by hand from the same lock file is taken as it is', async () => {
  mkdirSync(join(root, 'node_modules/yaml'), { recursive: true });
  lock({ 'node_modules/yaml': { version: '2.9.1', integrity: 'a' } }, 'node_modules/.package-lock.json');
  await ensure();
  expect(calls()).toEqual([]);
});

test.each([
  ['another version', { 'node_modules/yaml': { version: '2.9.0', integrity: 'a' } }],
  [
    'one too many',
    { 'node_modules/yaml': { version: '2.9.1', integrity: 'a' }, 'node_modules/more': { version: '1.0.0', integrity: 'd' } },
  ],
  ['one that is missing', {}],
])('what is installed by hand with %s is not', async (_, packages) => {
  mkdirSync(join(root, 'node_modules/yaml'), { recursive: true });
  lock(packages, 'node_modules/.package-lock.json');
  await ensure();
  expect(calls()).toHaveLength(1);
});

test('a failed npm ci shows its output, and the next start tries again', async () => {
  fakeNpm('mkdir -p node_modules; echo "npm error the disk is full" >&2; exit 1');
  await expect(ensure()).rejects.toThrow(/npm ci failed in .*\nall about it\nnpm error the disk is full/);
  await expect(ensure()).rejects.toThrow('npm ci failed');
  expect(calls()).toHaveLength(2);
});

test('an absent npm is one clear message', async () => {
  rmSync(join(root, 'bin/npm'));
  await expect(ensure()).rejects.toThrow('npm was not found on PATH');
});

test('starts that race install once', async () => {
  fakeNpm('sleep 0.2; mkdir -p node_modules/yaml');
  await Promise.all([ensure(), ensure(), ensure()]);
  expect(calls()).toHaveLength(1);
});
