import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { ReplicaRecord } from '../../../sidecar/runtime/process/record.ts';
import { ReplicaRecords } from '../../../sidecar/runtime/process/record.ts';
import { temporaryFolder } from '../../support/processes.ts';

function record(over: Partial<ReplicaRecord> = {}): ReplicaRecord {
  return {
    schema: 1,
    id: 'a',
    service: 'backend',
    color: 'blue',
    slot: 1,
    address: '127.0.0.1:3000',
    release: 'v1',
    deployment: 'd1',
    startedAt: '2026-11-22T17:20:06.905Z',
    exit: null,
    process: { pid: 4711, startTime: '1', bootId: 'b' },
    log: { path: '/log', from: 0 },
    ...over,
  };
}

describe('the records of replicas', () => {
  let state: string;
  let records: ReplicaRecords;

  beforeEach(async () => {
    state = await temporaryFolder();
    // All that is on disk has been there for long.
    records = new ReplicaRecords(state, () => Date.now() + 60_000);
  });

  afterEach(async () => {
    await rm(state, { recursive: true });
  });

  const path = ({ service, color, slot }: ReplicaRecord) => join(state, 'replicas', service, `${color}-${slot}.json`);

  async function ids(service?: string): Promise<string[]> {
    return (await records.all(service)).map(({ id }) => id);
  }

  test('what has not changed is not read again', async () => {
    await records.write(record());
    const [first] = await records.all('backend');
    expect((await records.all('backend'))[0]).toBe(first);
    expect((await records.all())[0]).toBe(first);
    expect(await records.read(record())).toBe(first);
  });

  test('what has just changed is read again, as the next change may bear the same time', async () => {
    records = new ReplicaRecords(state);
    await records.write(record());
    const [first] = await records.all();
    const [second] = await records.all();
    expect(second).toEqual(first);
    expect(second).not.toBe(first);
  });

  test('one that is written, replaced or removed is seen at once', async () => {
    expect(await ids('backend')).toEqual([]);
    await records.write(record());
    expect(await ids('backend')).toEqual(['a']);
    await records.write(record({ slot: 10, id: 'c' }));
    await records.write(record({ slot: 2, id: 'b' }));
    expect(await ids('backend')).toEqual(['a', 'b', 'c']);
    await records.write(record({ exit: { code: 1, signal: null } }));
    expect((await records.all('backend'))[0]?.exit).toEqual({ code: 1, signal: null });
    expect((await records.read(record()))?.exit).toEqual({ code: 1, signal: null });
    await records.remove(record());
    expect(await ids('backend')).toEqual(['b', 'c']);
    expect(await records.read(record())).toBeNull();
    await records.write(record({ id: 'd' }));
    expect(await ids('backend')).toEqual(['d', 'b', 'c']);
  });

  test('what somebody else does to the files is seen as well', async () => {
    const other = new ReplicaRecords(state);
    const green = record({ color: 'green', id: 'g' });
    expect(await ids()).toEqual([]);
    await other.write(record());
    await other.write(record({ service: 'other', id: 'o' }));
    expect(await ids()).toEqual(['a', 'o']);
    await writeFile(path(record()), '{"torn');
    expect(await ids()).toEqual(['o']);
    await writeFile(path(record()), JSON.stringify(record({ id: 'mended' })));
    expect(await ids()).toEqual(['mended', 'o']);
    await rename(path(record()), path(green));
    expect(await records.all('backend')).toHaveLength(1);
    expect(await records.read(record())).toBeNull();
    await rm(join(state, 'replicas'), { recursive: true });
    expect(await ids()).toEqual([]);
    await mkdir(dirname(path(green)), { recursive: true });
    await writeFile(path(green), JSON.stringify(green));
    expect(await ids()).toEqual(['g']);
  });

  test('one that cannot be written is there until it is written or removed', async () => {
    await writeFile(join(state, 'replicas'), 'a file where the folder should be');
    await records.adopt(record());
    expect(await ids('backend')).toEqual(['a']);
    expect(await ids('other')).toEqual([]);
    await rm(join(state, 'replicas'));
    await records.write(record({ id: 'b' }));
    expect(await ids()).toEqual(['b']);
    await records.remove(record());
    expect(await ids()).toEqual([]);
  });
});
