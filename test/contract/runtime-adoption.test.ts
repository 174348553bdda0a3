import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Replica, ReplicaSpec } from '../../sidecar/runtime/runtime.ts';
import { eventually, fixture, isRunning, runOtherSidecar } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

describe('ProcessRuntime, finding what an earlier sidecar has started', () => {
  let bench: ProcessBench;

  beforeEach(async () => {
    bench = await ProcessBench.make();
  });

  afterEach(async () => {
    await bench.close();
  });

  /** As a sidecar that is gone by now has started it. */
  async function startEarlier(over: Partial<ReplicaSpec> = {}, from = bench): Promise<Replica> {
    const spec = await bench.spec(over);
    const [replica] = JSON.parse(await runOtherSidecar({ state: from.state, env: bench.env, starts: [spec] })) as Replica[];
    await eventually('the replica is up', async () => (await from.newRuntime().tail(replica!, 100)).includes('ready'));
    return replica!;
  }

  test('a replica is found again with all that was known of it, and can be stopped', async () => {
    const replica = await startEarlier({ command: fixture.endsAfter(50) });
    expect(await bench.runtime.list()).toEqual([replica]);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 10_000 });
    expect(await bench.runtime.list()).toEqual([]);
    expect(await bench.runtime.tail(replica, 1)).toEqual(['bye']);
    expect(bench.living()).toEqual([]);
  });

  test('a start into its slot yields it, even before anybody asked for the list', async () => {
    const spec = await bench.spec();
    const replica = await startEarlier(spec);
    await rm(bench.recordPath(replica));
    expect(await bench.runtime.start(spec)).toEqual(replica);
    expect(bench.living()).toHaveLength(1);
  });

  test('a replica whose record was lost is found by its mark, and gets its record back', async () => {
    const replica = await startEarlier({ slot: 2, color: 'green', release: 'v8', deployment: 'd-77' });
    const before = JSON.parse(await readFile(bench.recordPath(replica), 'utf8'));
    await rm(bench.recordPath(replica));
    expect(await bench.runtime.list()).toEqual([replica]);
    expect(JSON.parse(await readFile(bench.recordPath(replica), 'utf8'))).toEqual(before);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 5000 });
    expect(bench.living()).toEqual([]);
  });

  test('a torn record is ignored and its process found by its mark', async () => {
    const replica = await startEarlier();
    await writeFile(bench.recordPath(replica), '{"schema":1,"id":');
    expect(await bench.runtime.list()).toEqual([replica]);
  });

  test('a torn record without a process is no replica', async () => {
    const replica = await startEarlier();
    await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
    await writeFile(bench.recordPath(replica), '');
    expect(await bench.newRuntime().list()).toEqual([]);
  });

  test('a record that cannot be written back hides no replica', async () => {
    const replica = await startEarlier();
    const folder = `${bench.state}/replicas`;
    await rm(folder, { recursive: true });
    await writeFile(folder, 'a file where the folder should be');
    const runtime = bench.newRuntime();
    expect(await runtime.list()).toEqual([replica]);
    await rm(folder);
    await runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
    expect(await runtime.list()).toEqual([]);
  });

  test('descendants are not taken for replicas, not even one that leads a group', async () => {
    const replica = await startEarlier({ command: fixture.tree });
    await eventually('all three are up', () => bench.living().length === 3);
    const leader = await bench.pid(replica);
    await rm(bench.recordPath(replica));
    expect(await bench.runtime.list()).toEqual([replica]);
    expect(await bench.pid(replica)).toBe(leader);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 100 });
    expect(bench.living()).toEqual([]);
  });

  test('a dead replica is not brought back by a descendant that still runs, and stopping it ends that one', async () => {
    const replica = await startEarlier({ command: fixture.tree });
    await eventually('all three are up', () => bench.living().length === 3);
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the leader is dead', () => bench.living().length === 2);
    expect(await bench.runtime.list()).toEqual([{ ...replica, alive: false }]);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 100 });
    expect(bench.living()).toEqual([]);
  });

  test('replicas of another state folder are left alone', async () => {
    const other = await ProcessBench.make();
    try {
      const replica = await startEarlier({}, other);
      expect(await bench.runtime.list()).toEqual([]);
      await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
      expect(isRunning(await other.pid(replica))).toBe(true);
    } finally {
      await other.close();
    }
  });

  test('the end of an adopted replica is heard of soon, once, without knowing how', async () => {
    const replica = await startEarlier();
    const heard: Replica[] = [];
    bench.runtime.onExit((one) => heard.push(one));
    await bench.runtime.list();
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the listener hears of it', () => heard.length > 0, 2000);
    await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
    expect(heard).toEqual([{ ...replica, alive: false, exit: null }]);
  });

  test('stopping an adopted replica is heard of, too', async () => {
    const replica = await startEarlier();
    const heard: Replica[] = [];
    bench.runtime.onExit((one) => heard.push(one));
    await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
    expect(heard).toEqual([{ ...replica, alive: false, exit: null }]);
  });

  test('how a replica ended is still known to the next sidecar', async () => {
    const replica = await bench.startShort(await bench.spec(), ['last words'], 9);
    const dead = await eventually('the end is on record', async () =>
      (await bench.newRuntime().list()).find(({ exit }) => exit !== null),
    );
    expect(dead).toEqual({ ...replica, alive: false, exit: { code: 9, signal: null } });
    await access(bench.recordPath(replica));
  });
});
