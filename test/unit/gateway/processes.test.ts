import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { findMaster, findMembers, recordedMaster } from '../../../sidecar/gateway/processes.ts';
import { eventually } from '../../support/processes.ts';
import { folderWith } from '../config/temp.ts';
import { pretendMaster, start } from './gateway-process.ts';

let folder: string;
beforeEach(async () => {
  folder = await folderWith({});
});

const recordPid = (text: string) => writeFileSync(join(folder, 'nginx.pid'), text);

test('without a pid file there is no gateway', () => {
  expect([recordedMaster(folder), findMaster(folder), findMembers(folder, null)]).toEqual([null, null, []]);
});

test.each(['', 'x', '0', '1', '-5', '12.5', '12x'])('a pid file that holds %j names nobody', (text) => {
  recordPid(text);
  expect(recordedMaster(folder)).toBeNull();
});

test('a running master is found with its workers', async () => {
  const { pid } = pretendMaster(folder);
  expect(recordedMaster(folder)).toBe(pid);
  expect(findMaster(folder)).toMatchObject({ pid });
  await eventually('the worker runs', () => findMembers(folder, pid).length === 2);
  expect(findMembers(folder, pid)).toContain(pid);
});

test('a master is known also after its log was moved away', () => {
  const { pid } = pretendMaster(folder);
  renameSync(join(folder, 'error.log'), join(folder, 'error.log.1'));
  expect(findMaster(folder)).toMatchObject({ pid });
});

test('a process that has the recorded pid by chance is not the master', () => {
  recordPid(`${start(null, ['sleep', '600']).pid}`);
  expect(findMaster(folder)).toBeNull();
  expect(findMembers(folder, recordedMaster(folder))).toEqual([]);
});

test('the master of another folder is not ours', async () => {
  const { pid } = pretendMaster(await folderWith({}));
  recordPid(`${pid}`);
  expect(findMaster(folder)).toBeNull();
});

test('workers whose master was killed are still found', async () => {
  const { child, pid } = pretendMaster(folder);
  await eventually('the worker runs', () => findMembers(folder, pid).length === 2);
  await new Promise((resolve) => child.once('exit', resolve) && child.kill('SIGKILL'));
  expect(findMaster(folder)).toBeNull();
  expect(findMembers(folder, pid)).toHaveLength(1);
});
