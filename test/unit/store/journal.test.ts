import { appendFile, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { Journal } from '../../../sidecar/store/journal.ts';
import { event } from '../../support/builders-record.ts';
import { folderWith } from '../config/temp.ts';

const AT = new Date('2026-01-01T00:00:00.000Z');
let path: string;
beforeEach(async () => {
  path = join(await folderWith({}), 'deep/journal.jsonl');
});

const phase = (id: string) => event.phase(id, 'gating');

/** Appends these, and closes the journal again. */
async function write(...ids: string[]) {
  const { journal } = await Journal.open(path);
  const lines = await Promise.all(ids.map((id) => journal.append(phase(id), AT)));
  await journal.close();
  return lines;
}

async function read() {
  const { journal, events, torn } = await Journal.open(path);
  await journal.close();
  return { torn, ids: events.map((one) => (one as { deployment: string }).deployment), seqs: events.map((one) => one.seq) };
}

test('a journal that is not there begins empty', async () => {
  expect(await read()).toEqual({ torn: null, ids: [], seqs: [] });
});

test('what was appended is read again, with version, number and time', async () => {
  const [line] = await write('d1');
  expect(line).toEqual({ v: 1, seq: 1, at: AT.toISOString(), ...phase('d1') });
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(line);
  expect(await read()).toEqual({ torn: null, ids: ['d1'], seqs: [1] });
});

test('appends that were called together stand in the order of the calls', async () => {
  const ids = Array.from({ length: 40 }, (_, index) => `d${index}`);
  const lines = await write(...ids);
  expect(lines.map((line) => line.seq)).toEqual(ids.map((_, index) => index + 1));
  expect((await read()).ids).toEqual(ids);
});

test('numbers go on after a restart', async () => {
  await write('d1', 'd2');
  await write('d3');
  expect(await read()).toEqual({ torn: null, ids: ['d1', 'd2', 'd3'], seqs: [1, 2, 3] });
});

test('nobody else can read the journal', async () => {
  await write('d1');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

describe('a torn last line', () => {
  test('is dropped and told, and the next line stands on its own', async () => {
    await write('d1');
    await appendFile(path, '{"v":1,"seq":2,"at":"20');
    const { journal, events, torn } = await Journal.open(path);
    expect(torn).toBe('{"v":1,"seq":2,"at":"20');
    expect(events.length).toBe(1);
    await journal.append(phase('d2'), AT);
    await journal.close();
    expect(await read()).toEqual({ torn: null, ids: ['d1', 'd2'], seqs: [1, 2] });
  });

  test('is dropped by its bytes, after lines with letters of several bytes', async () => {
    await write('größe-測試');
    await appendFile(path, Buffer.from('{"torn":"é').subarray(0, -1));
    expect((await read()).torn).not.toBeNull();
    await write('d2');
    expect((await read()).ids).toEqual(['größe-測試', 'd2']);
  });

  test('is dropped when it is the only one', async () => {
    await write();
    await writeFile(path, '{"v"');
    expect(await read()).toEqual({ torn: '{"v"', ids: [], seqs: [] });
    expect(await readFile(path, 'utf8')).toBe('');
  });
});

describe('a damaged journal', () => {
  async function refusal(edit: (lines: string[]) => string[]) {
    await write('d1', 'd2', 'd3');
    const text = edit((await readFile(path, 'utf8')).split('\n')).join('\n');
    await writeFile(path, text);
    const error = await Journal.open(path).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(await readFile(path, 'utf8')).toBe(text);
    return error;
  }

  test('is refused with the place of the damage and left as it is', async () => {
    const error = await refusal(([one, , three]) => [one!, '\0\0\0\0', three!, '']);
    expect(error).toMatchObject({ code: 'disk-unusable' });
    expect(error).toHaveProperty('message', expect.stringContaining(`${path}:2: not a JSON line`));
  });

  test('is left as it is even when its last line is torn too', async () => {
    const error = await refusal(([one, , three]) => [one!, 'damage', three!, '{"v":1,"se']);
    expect(error).toHaveProperty('message', expect.stringContaining(`${path}:2: not a JSON line`));
  });

  test('is refused when an empty line stands in it', async () => {
    const error = await refusal(([one, two]) => [one!, '', two!, '']);
    expect(error).toHaveProperty('message', expect.stringContaining(`${path}:2: not a JSON line`));
  });

  test('is refused when a newer Turnout wrote it', async () => {
    const error = await refusal(([one, two]) => [one!, two!, JSON.stringify({ v: 2, seq: 3, kind: 'news' }), '']);
    expect(error).toMatchObject({ code: 'disk-unusable', hint: 'Run the newer version again.' });
    expect(error).toHaveProperty('message', expect.stringContaining(`${path}:3: written by a newer Turnout`));
  });

  test.each(['{}', '42', '"text"', 'null'])('with the line %s is not taken for one of a newer Turnout', async (line) => {
    const error = await refusal(([one, two]) => [one!, line, two!, '']);
    expect(error).toMatchObject({ code: 'disk-unusable', message: expect.not.stringContaining('newer') });
  });
});

test('a journal that cannot be read is not taken for an empty one', async () => {
  await symlink('/dev/null/nothing', path.replace('/deep', ''));
  await expect(Journal.open(path.replace('/deep', ''))).rejects.toThrow('ENOTDIR');
});
