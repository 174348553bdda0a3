import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { findMembers } from '../../../sidecar/gateway/processes.ts';
import { startScript } from '../../../sidecar/gateway/start-script.ts';
import { eventually } from '../../support/processes.ts';
import { folderWith } from '../config/temp.ts';
import { pretendMaster } from './gateway-process.ts';

/** A folder with a name that no shell would take unquoted. */
const ODD = `it's a "b" $HOME`;
let folder: string;
let script: string;
beforeEach(async () => {
  folder = join(await folderWith({}), ODD);
  mkdirSync(folder);
  const nginx = join(folder, 'fake nginx');
  writeFileSync(nginx, '#!/bin/sh\nprintf "%s\\n" "$@" >"$(dirname "$0")/asked"\necho nginx starts\nulimit -n\n');
  chmodSync(nginx, 0o700);
  script = join(folder, 'start');
  writeFileSync(script, startScript(folder, [nginx, "it's", '-q']));
});

function run() {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [script], { encoding: 'utf8', cwd: '/' });
  return { status, stdout, stderr };
}

const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trimEnd().split('\n');

/** A socket that was left by a killed process. */
function leaveSocket(name: string): string {
  const path = join(folder, name);
  const code = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', code, path]);
  expect(existsSync(path)).toBe(true);
  return path;
}

test('the script is right for sh', () => {
  expect(spawnSync('/bin/sh', ['-n', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test('nginx is started with our folder, log and configuration, whatever the folder is called', () => {
  expect(run()).toMatchObject({ status: 0, stdout: expect.stringContaining('nginx starts'), stderr: '' });
  expect(asked()).toEqual(["it's", '-q', '-p', `${folder}/`, '-e', `${folder}/error.log`, '-c', `${folder}/conf/nginx.conf`]);
});

test('nginx gets as many open files as the machine allows', () => {
  const hard = spawnSync('/bin/sh', ['-c', 'ulimit -H -n'], { encoding: 'utf8' }).stdout.trim();
  const { stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -S -n 256; exec "$0" "$@"', '/bin/sh', script], { encoding: 'utf8' });
  expect(stdout.trim().split('\n').at(-1)).toBe(hard);
});

test('what nginx ends with, the script ends with', () => {
  writeFileSync(join(folder, 'fake nginx'), '#!/bin/sh\necho no >&2\nexit 3\n');
  expect(run()).toMatchObject({ status: 3, stderr: 'no\n' });
});

describe('a socket', () => {
  test.each(['control', 'probe', 'none', 'preview-backend'])('%s.sock that nobody listens on is removed', (name) => {
    const path = leaveSocket(`${name}.sock`);
    run();
    expect(existsSync(path)).toBe(false);
  });

  test('that somebody listens on is kept', async () => {
    const path = join(folder, 'control.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    run();
    expect(existsSync(path)).toBe(true);
    server.close();
  });
});

describe('a gateway that runs', () => {
  test('is left alone, and said to run already', () => {
    const { pid } = pretendMaster(folder);
    expect(run()).toEqual({ status: 0, stdout: '', stderr: `the gateway runs already: its master is process ${pid}\n` });
    expect(existsSync(join(folder, 'asked'))).toBe(false);
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  test('elsewhere under the same pid is not taken for ours', async () => {
    const { pid } = pretendMaster(await folderWith({}));
    writeFileSync(join(folder, 'nginx.pid'), `${pid}`);
    expect(run()).toMatchObject({ status: 0, stderr: '' });
    expect(asked()).toContain('-p');
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  test('without its master is ended first', async () => {
    const { child, pid } = pretendMaster(folder);
    await eventually('the worker runs', () => findMembers(folder, pid).length === 2);
    await new Promise((resolve) => child.once('exit', resolve) && child.kill('SIGKILL'));
    expect(findMembers(folder, pid)).toHaveLength(1);
    expect(run()).toMatchObject({ status: 0 });
    expect(findMembers(folder, pid)).toEqual([]);
    expect(asked()).toContain('-p');
  });
});

test.each(['', 'garbage', '99999999'])('a pid file that holds %j hinders nobody', (text) => {
  writeFileSync(join(folder, 'nginx.pid'), text);
  expect(run()).toMatchObject({ status: 0, stderr: '' });
  expect(asked()).toContain('-p');
});
