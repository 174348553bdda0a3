import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Journal } from '../../../sidecar/store/journal.ts';
import { bundled } from '../../support/builders-bundle.ts';
import { folderWith } from '../config/temp.ts';

const APPENDER = `
  import { Journal } from './sidecar/store/journal.ts';
  const { journal } = await Journal.open(process.argv[2]);
  const told = [];
  for (const length of process.argv.slice(3).map(Number)) {
    const event = { kind: 'outcome', service: 'backend', deployment: null, step: 'x', ok: true, detail: 'y'.repeat(length) };
    told.push(await journal.append(event, new Date(0)).then((line) => line.seq, (error) => error.code + ': ' + error.message));
  }
  console.log(JSON.stringify(told));
`;

/** Appends events of about these lengths in a process whose files cannot grow beyond 4 KiB: the kernel writes what fits. */
async function appendOnFullDisk(folder: string, ...lengths: number[]): Promise<unknown[]> {
  const program = await bundled(folder, APPENDER);
  const command = `ulimit -f 8; exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, program, join(folder, 'journal.jsonl'), ...lengths.map(String)];
  return JSON.parse((await promisify(execFile)('/bin/sh', args)).stdout) as unknown[];
}

test('a line that does not fit is refused and leaves no half line behind', async () => {
  const folder = await folderWith({});
  const path = join(folder, 'journal.jsonl');
  const told = await appendOnFullDisk(folder, 2000, 3000, 100);
  expect(told).toEqual([1, expect.stringMatching(/^disk-unusable: the journal cannot be written: EFBIG/), 2]);
  expect((await readFile(path, 'utf8')).split('\n').length).toBe(3);
  const { journal, events, torn } = await Journal.open(path);
  await journal.close();
  expect(torn).toBeNull();
  expect(events.map((one) => one.seq)).toEqual([1, 2]);
});
