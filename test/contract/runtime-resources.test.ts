import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { readMemory } from '../../sidecar/runtime/process/memory.ts';
import { eventually, fixture, temporaryFolder } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

const MEBIBYTE = 1024 * 1024;

describe('ProcessRuntime, what replicas use', () => {
  let bench: ProcessBench;

  beforeEach(async () => {
    bench = await ProcessBench.make();
  });

  afterEach(async () => {
    await bench.close();
  });

  test('the cpu of the whole tree counts, also of what left the group, and of what has ended since', async () => {
    const burnt = 500;
    const replica = await bench.startReady({ command: fixture.burns(burnt) });
    await bench.says(replica, 'far up');
    expect(await bench.runtime.resources(replica)).toMatchObject({ cpu: null });
    const begin = performance.now();
    process.kill(await bench.pid(replica), 'SIGUSR2');
    await bench.says(replica, 'near burnt');
    await bench.says(replica, 'far burnt');
    const used = await bench.runtime.resources(replica);
    const seconds = (used!.cpu! * (performance.now() - begin)) / 1000;
    // Each of the three alone is a third; a Node that starts takes some 50 ms, more on a busy machine.
    expect(seconds).toBeGreaterThan((3 * burnt * 0.95) / 1000);
    expect(seconds).toBeLessThan((4 * burnt) / 1000);
    const idle = await eventually('it does nothing', async () => {
      const now = await bench.runtime.resources(replica);
      return now?.cpu !== null && now!.cpu! < 0.2 ? now : null;
    });
    expect(idle.cpu).toBeGreaterThanOrEqual(0);
  });

  test('the memory of the whole tree counts, and what they share only once', async () => {
    const each = 60 * MEBIBYTE;
    const replica = await bench.startReady({ command: fixture.holds(each) });
    await eventually('all three are up', async () => (await bench.runtime.tail(replica, 9)).length === 4);
    const used = await bench.runtime.resources(replica);
    const resident = bench
      .living()
      .map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]));
    expect(resident).toHaveLength(3);
    expect(used!.memory).toBeGreaterThan(3 * each);
    expect(used!.memory).toBeLessThan(resident.reduce((sum, one) => sum + one, 0) * 1024 - 20 * MEBIBYTE);
  });

  test('memory is told in bytes, by Pss, else by Rss, else as none', async () => {
    const folder = await temporaryFolder();
    try {
      expect(await readMemory(join(folder, 'gone'))).toBe(0);
      await writeFile(join(folder, 'status'), 'Name:\tx\nVmRSS:\t    20 kB\n');
      expect(await readMemory(folder)).toBe(20 * 1024);
      await mkdir(join(folder, 'smaps_rollup'));
      expect(await readMemory(folder)).toBe(20 * 1024);
      await rm(join(folder, 'smaps_rollup'), { recursive: true });
      await writeFile(
        join(folder, 'smaps_rollup'),
        '0-1 ---p 0 0:0 0   [rollup]\nRss:    20 kB\nPss:     7 kB\nPss_Dirty:   3 kB\n',
      );
      expect(await readMemory(folder)).toBe(7 * 1024);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('another process in the place of the replica is not measured', async () => {
    const replica = await bench.startReady();
    const pid = await bench.pid(replica);
    expect(await bench.runtime.resources({ ...replica, id: 'another' })).toBeNull();
    process.kill(pid, 'SIGKILL');
    await eventually('it has ended', async () => (await bench.runtime.resources(replica)) === null);
  });

  test('two who ask at the same moment get the same figure', async () => {
    const replica = await bench.startReady();
    await bench.runtime.resources(replica);
    const [one, other] = await Promise.all([bench.runtime.resources(replica), bench.runtime.resources(replica)]);
    expect(one).toEqual({ cpu: expect.any(Number), memory: expect.any(Number) });
    expect(other).toEqual(one);
    expect(one!.memory).toBeGreaterThan(MEBIBYTE);
  });
});
