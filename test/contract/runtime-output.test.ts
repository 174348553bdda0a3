import { readdirSync, readlinkSync } from 'node:fs';
import { appendFile, rename, truncate } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { LineSplitter } from '../../sidecar/runtime/line-splitter.ts';
import type { OutputMatches, Replica } from '../../sidecar/runtime/runtime.ts';
import { eventually, fixture, runOtherSidecar, send } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

const MEBIBYTE = 1024 * 1024;

describe('ProcessRuntime, matching output', () => {
  let bench: ProcessBench;
  let begun: OutputMatches[];

  beforeEach(async () => {
    bench = await ProcessBench.make();
    begun = [];
  });

  afterEach(async () => {
    for (const matches of begun) matches.end();
    await bench.close();
  });

  function match(replica: Replica, pattern: RegExp): OutputMatches {
    const matches = bench.runtime.matchOutput(replica, pattern);
    begun.push(matches);
    return matches;
  }

  function isOpen(replica: Replica): boolean {
    return readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === bench.logPath(replica);
      } catch {
        return false;
      }
    });
  }

  test('what a replica wrote last is counted, even without a newline, though it is dead and stopped', async () => {
    const replica = await bench.startReady({ command: fixture.diesSaying('fine\nfatal: no') });
    const matches = match(replica, /^fatal: no$/);
    await send(replica.address, '');
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 5000 });
    await eventually('the last words are read', () => matches.count === 1, 2000);
    expect(matches.last).toBe('fatal: no');
  });

  test('an adopted replica is followed as well, and its log let go of when it has ended or nobody asks any more', async () => {
    await runOtherSidecar({ state: bench.state, env: bench.env, starts: [await bench.spec()] });
    const [replica] = (await bench.runtime.list()) as [Replica];
    await bench.says(replica, 'ready');
    const first = match(replica, /x/);
    await bench.speak(replica, ['x1']);
    await eventually('it is counted', () => first.count === 1);
    first.end();
    await eventually('the log is let go of', () => !isOpen(replica));
    const second = match(replica, /x/);
    await bench.speak(replica, ['x2']);
    await eventually('it is counted', () => second.count === 1);
    expect(isOpen(replica)).toBe(true);
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the log is let go of', () => !isOpen(replica));
    expect([first.last, second.last]).toEqual(['x1', 'x2']);
  });

  test('lines that its successor writes into the same log are not counted', async () => {
    const spec = await bench.spec();
    const first = await bench.startReady({ ...spec, command: fixture.diesSaying('x1') });
    const before = match(first, /x/);
    await send(first.address, '');
    await eventually('it is dead', async () => !(await bench.runtime.list())[0]?.alive);
    const between = match(first, /x/);
    const second = await bench.runtime.start(spec);
    const after = match(first, /x/);
    const its = match(second, /x/);
    await bench.says(second, '');
    await eventually('the successor listens', () =>
      bench.speak(second, ['x2', 'x3']).then(
        () => true,
        () => false,
      ),
    );
    await eventually('the successor is heard, and the last of the first', () => its.count === 2 && before.count > 0);
    expect(before).toMatchObject({ count: 1, last: 'x1' });
    expect([between.count, after.count]).toEqual([0, 0]);
  });

  test('a log that is emptied is read from its begin, and one that is renamed is still followed', async () => {
    const replica = await bench.startReady();
    const matches = match(replica, /x/);
    await bench.speak(replica, ['x1 and more']);
    await eventually('the first is counted', () => matches.count === 1);
    await truncate(bench.logPath(replica));
    await bench.speak(replica, ['x2']);
    await eventually('the second is counted', () => matches.count === 2);
    await rename(bench.logPath(replica), `${bench.logPath(replica)}.1`);
    await bench.speak(replica, ['x3']);
    await eventually('the third is counted', () => matches.count === 3);
    expect(matches).toMatchObject({ last: 'x3', skippedBytes: 0 });
  });

  test('of a flood the latest 4 MiB are read, and the rest is said to be skipped', async () => {
    const replica = await bench.startReady();
    const matches = match(replica, /x/);
    await appendFile(bench.logPath(replica), 'x begun');
    await eventually('it has been looked at', () => isOpen(replica));
    // In one step, so that no look falls into the middle of it: a hole, which reads as so many zeros.
    await truncate(bench.logPath(replica), 64 * MEBIBYTE);
    await appendFile(bench.logPath(replica), ' x torn\nx whole\n');
    await eventually('the end is read', () => matches.last === 'x whole');
    expect(matches.count).toBe(2);
    expect(matches.skippedBytes).toBeGreaterThan(59.9 * MEBIBYTE);
    expect(matches.skippedBytes).toBeLessThan(60.1 * MEBIBYTE);
  });
});

describe('lines out of bytes', () => {
  const taken: string[] = [];
  const lines = new LineSplitter((line) => taken.push(line));

  afterEach(() => {
    taken.length = 0;
  });

  test.each([1, 2, 3, 5, 100])('they are whole when they come %i bytes at a time', (size) => {
    const bytes = Buffer.from('grün ✓\n\n🚂\nrest');
    const reused = Buffer.alloc(size);
    for (let from = 0; from < bytes.length; from += size) {
      lines.push(reused.subarray(0, bytes.copy(reused, 0, from, from + size)));
    }
    expect(taken).toEqual(['grün ✓', '', '🚂']);
    lines.flush();
    expect(taken.at(-1)).toBe('rest');
    lines.flush();
    expect(taken).toHaveLength(4);
  });

  test('of a line no more than 64 KiB is kept', () => {
    for (let n = 0; n < 3; n += 1) lines.push(Buffer.alloc(50_000, 'x'));
    lines.push(Buffer.from('\nnext\n'));
    expect(taken).toEqual(['x'.repeat(64 * 1024), 'next']);
  });

  test('after a gap the rest of a line is no line', () => {
    lines.push(Buffer.from('begun'));
    lines.tear();
    lines.push(Buffer.from('rest'));
    lines.push(Buffer.from(' of it\nwhole\n'));
    expect(taken).toEqual(['begun', 'whole']);
  });
});
