import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { identify } from '../../sidecar/process-identity.ts';
import type { Replica } from '../../sidecar/runtime/runtime.ts';
import { bystander, eventually, fixture, isRunning } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

describe('ProcessRuntime, stopping', () => {
  let bench: ProcessBench;
  let ended: Replica[];

  beforeEach(async () => {
    bench = await ProcessBench.make();
    ended = [];
    bench.runtime.onExit((replica) => ended.push(replica));
  });

  afterEach(async () => {
    await bench.close();
  });

  async function timed(work: Promise<void>): Promise<number> {
    const begin = performance.now();
    await work;
    return performance.now() - begin;
  }

  test('a replica that handles SIGTERM ends in its own time, and its log stays', async () => {
    const replica = await bench.startReady({ command: fixture.endsAfter(150) });
    const took = await timed(bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 10_000 }));
    expect(took).toBeGreaterThan(140);
    expect(took).toBeLessThan(5000);
    expect(ended).toEqual([{ ...replica, alive: false, exit: { code: 0, signal: null } }]);
    expect(await bench.runtime.tail(replica, 1)).toEqual(['bye']);
    await expect(access(bench.recordPath(replica))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('one that ignores SIGTERM is killed at the limit, and not before', async () => {
    const replica = await bench.startReady({ command: fixture.ignoresSigterm });
    const took = await timed(bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 400 }));
    expect(took).toBeGreaterThanOrEqual(400);
    expect(took).toBeLessThan(3000);
    expect(await bench.runtime.tail(replica, 1)).toEqual(['no']);
    expect(ended).toEqual([{ ...replica, alive: false, exit: { code: null, signal: 'SIGKILL' } }]);
    expect(bench.living()).toEqual([]);
  });

  test('a start into the slot waits until the stop is through', async () => {
    const replica = await bench.startReady({ command: fixture.endsAfter(200) });
    const stopping = bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 10_000 });
    const next = await bench.runtime.start(await bench.spec({ address: replica.address, deployment: 'd2' }));
    expect(ended).toHaveLength(1);
    await stopping;
    expect(await bench.runtime.list()).toEqual([next]);
  });

  test('one that has ended a moment ago leaves its place at once, and is soon told of as dead', async () => {
    const first = await bench.startReady();
    await bench.runtime.list();
    const pid = await bench.pid(first);
    process.kill(pid, 'SIGKILL');
    // Without a turn of the event loop, in which the end might be told.
    while (isRunning(pid));
    const second = await bench.startReady({ deployment: 'd2' });
    expect(await bench.runtime.list()).toEqual([second]);
    process.kill(await bench.pid(second), 'SIGKILL');
    const dead = await eventually('the list tells of it', async () => (await bench.runtime.list()).find(({ alive }) => !alive));
    expect(dead).toEqual({ ...second, alive: false, exit: { code: null, signal: 'SIGKILL' } });
    await eventually('and so does the watch', () => ended.some(({ id }) => id === second.id));
    expect(await bench.runtime.list()).toEqual([dead]);
  });

  test('the signal is the one that was asked for', async () => {
    const replica = await bench.startReady();
    await bench.runtime.stop(replica, { signal: 'SIGINT', timeout: 5000 });
    expect(ended[0]?.exit).toEqual({ code: null, signal: 'SIGINT' });
  });

  test('a second, harder stop overtakes a soft one', async () => {
    const replica = await bench.startReady({ command: fixture.ignoresSigterm });
    const soft = bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 30_000 });
    await bench.says(replica, 'no');
    const took = await timed(Promise.all([soft, bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 })]).then(() => {}));
    expect(took).toBeLessThan(3000);
    expect(ended).toHaveLength(1);
  });

  test('the whole tree is gone, with a child in its group and one in a session of its own', async () => {
    const replica = await bench.startReady({ command: fixture.tree });
    await eventually('all three are up', async () => (await bench.runtime.tail(replica, 9)).length === 3);
    expect(bench.living()).toHaveLength(3);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 300 });
    expect(bench.living()).toEqual([]);
  });

  test('what remains of the group after its leader gets the rest of the time limit', async () => {
    const replica = await bench.startReady({ command: fixture.withBareChild(300) });
    const child = Number(await bench.says(replica, 'child'));
    const took = await timed(bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 10_000 }));
    expect(took).toBeGreaterThan(290);
    expect(isRunning(child)).toBe(false);
    expect(await bench.runtime.tail(replica, 1)).toEqual(['child done']);
  });

  test('stopping a crashed replica ends what it has left running', async () => {
    const replica = await bench.startReady({ command: fixture.withBareChild(0) });
    const child = Number(await bench.says(replica, 'child'));
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the crash is heard', () => ended.length > 0);
    expect(isRunning(child)).toBe(true);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 5000 });
    expect(isRunning(child)).toBe(false);
  });

  test('a pid that belongs to another process by now counts as dead and is never signalled', async () => {
    const victim = bystander(['sleep', '600'], bench.token);
    try {
      const identity = identify(victim.pid!)!;
      const forged: Replica = {
        service: 'backend',
        color: 'blue',
        slot: 1,
        address: '127.0.0.1:1',
        release: 'v1',
        deployment: 'd1',
        id: 'forged',
        startedAt: new Date().toISOString(),
        alive: false,
        exit: null,
        kept: null,
      };
      for (const wrong of [{ startTime: String(Number(identity.startTime) - 1) }, { bootId: 'of another boot' }]) {
        await bench.forge(forged, { ...identity, ...wrong });
        expect(await bench.runtime.list()).toEqual([forged]);
        await bench.runtime.stop(forged, { signal: 'SIGKILL', timeout: 0 });
        expect(await bench.runtime.list()).toEqual([]);
        expect(isRunning(victim.pid!)).toBe(true);
      }
      // With the right identity it would have been ended: the test can tell.
      await bench.forge(forged, identity);
      await bench.runtime.stop(forged, { signal: 'SIGKILL', timeout: 0 });
      expect(isRunning(victim.pid!)).toBe(false);
    } finally {
      victim.kill('SIGKILL');
    }
  });

  test('a zombie counts as dead', async () => {
    // Killed only once the shell has become something that never asks for its children.
    const parent = bystander(['sh', '-c', 'sleep 600 & echo $!; exec sleep 600'], bench.token);
    try {
      const [line] = await once(parent.stdout!, 'data');
      const zombie = Number(String(line));
      await eventually('the shell is gone', async () => (await readFile(`/proc/${parent.pid}/comm`, 'utf8')) === 'sleep\n');
      process.kill(zombie, 'SIGKILL');
      await eventually('the child has ended', () => !isRunning(zombie));
      const identity = identify(zombie);
      expect(identity).not.toBeNull();
      const replica = await bench.startReady();
      await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
      await bench.forge({ ...replica, id: 'zombie' }, identity!);
      const [listed] = await bench.runtime.list();
      expect(listed).toMatchObject({ id: 'zombie', alive: false });
      await bench.runtime.stop(listed!, { signal: 'SIGTERM', timeout: 60_000 });
      expect(await bench.runtime.list()).toEqual([]);
    } finally {
      parent.kill('SIGKILL');
    }
  });
});
