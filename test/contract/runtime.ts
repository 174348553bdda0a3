import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Replica, ReplicaSpec, Runtime } from '../../sidecar/runtime/runtime.ts';
import { eventually } from '../support/processes.ts';

/** What a runtime has to bring along to be tested. */
export interface Bench {
  runtime: Runtime;
  /** Something that runs until it is stopped, in a slot with an address of its own. */
  spec(over?: Partial<ReplicaSpec>): Promise<ReplicaSpec>;
  /** Starts a replica that writes these lines and ends by itself. */
  startShort(spec: ReplicaSpec, lines: string[], code: number): Promise<Replica>;
  /** Starts a replica that is ready to speak. */
  startSpeaker(spec: ReplicaSpec): Promise<Replica>;
  /** Makes it write these lines. */
  speak(replica: Replica, lines: string[]): Promise<void>;
  /** Tries to start something that can't be started. */
  startRefused(spec: ReplicaSpec): Promise<Replica>;
  close(): Promise<void>;
}

const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

/** What every runtime promises. */
export function describeRuntime(name: string, make: () => Promise<Bench>): void {
  describe(name, () => {
    let bench: Bench;
    let runtime: Runtime;

    beforeEach(async () => {
      bench = await make();
      ({ runtime } = bench);
    });

    afterEach(async () => {
      await bench.close();
    });

    async function find(replica: Replica): Promise<Replica | undefined> {
      return (await runtime.list()).find(({ id }) => id === replica.id);
    }

    async function untilDead(replica: Replica): Promise<Replica> {
      return eventually('the replica is dead', async () => {
        const found = await find(replica);
        return found && !found.alive ? found : null;
      });
    }

    test('nothing runs at first', async () => {
      expect(await runtime.list()).toEqual([]);
    });

    test('a started replica is listed alive until it is stopped', async () => {
      const spec = await bench.spec({ release: 'v7' });
      const replica = await runtime.start(spec);
      const { service, color, slot, address, release, deployment } = spec;
      expect(replica).toMatchObject({ service, color, slot, address, release, deployment, alive: true, exit: null });
      expect(new Date(replica.startedAt).toISOString()).toBe(replica.startedAt);
      expect(await runtime.list()).toEqual([replica]);
      await runtime.stop(replica, SOFTLY);
      expect(await runtime.list()).toEqual([]);
    });

    test('replicas in different slots, colors and services do not touch each other', async () => {
      const one = await runtime.start(await bench.spec({ slot: 1 }));
      const two = await runtime.start(await bench.spec({ slot: 2 }));
      const green = await runtime.start(await bench.spec({ color: 'green' }));
      const other = await runtime.start(await bench.spec({ service: 'other' }));
      expect(new Set([one.id, two.id, green.id, other.id]).size).toBe(4);
      expect(await runtime.list('other')).toEqual([other]);
      await runtime.stop(one, SOFTLY);
      expect(await runtime.list()).toEqual([two, green, other]);
    });

    test('starting again what already runs yields the same replica', async () => {
      const spec = await bench.spec();
      const [first, second] = await Promise.all([runtime.start(spec), runtime.start(spec)]);
      expect(second).toEqual(first);
      expect(await runtime.start(spec)).toEqual(first);
      expect(await runtime.list()).toHaveLength(1);
    });

    test('a slot in which another deployment runs is refused', async () => {
      const spec = await bench.spec();
      const replica = await runtime.start(spec);
      await expect(runtime.start({ ...spec, deployment: 'another' })).rejects.toMatchObject({ code: 'runtime-unusable' });
      expect(await runtime.list()).toEqual([replica]);
    });

    test('a slot may be taken again while its replica is being stopped', async () => {
      const spec = await bench.spec();
      const first = await runtime.start(spec);
      const [, second] = await Promise.all([runtime.stop(first, SOFTLY), runtime.start({ ...spec, deployment: 'next' })]);
      expect(await runtime.list()).toEqual([second]);
    });

    test('a replica that exits at once shows how, and its last lines, until it is stopped', async () => {
      const replica = await bench.startShort(await bench.spec(), ['one', 'two', 'three'], 3);
      const dead = await untilDead(replica);
      expect(dead).toEqual({ ...replica, alive: false, exit: { code: 3, signal: null } });
      expect(await runtime.tail(replica, 2)).toEqual(['two', 'three']);
      expect(await runtime.tail(replica, 10)).toEqual(['one', 'two', 'three']);
      expect(await runtime.tail(replica, 0)).toEqual([]);
      await runtime.stop(replica, SOFTLY);
      expect(await runtime.list()).toEqual([]);
    });

    test('the slot of a dead replica can be used again, and a late stop of the dead one changes nothing', async () => {
      const spec = await bench.spec();
      const first = await bench.startShort(spec, ['from the first'], 1);
      await untilDead(first);
      const second = await bench.startShort(spec, [], 0);
      expect(second.id).not.toBe(first.id);
      expect(await runtime.tail(second, 10)).toEqual([]);
      await runtime.stop(first, SOFTLY);
      expect(await find(second)).toBeDefined();
    });

    test('stopping twice, at the same time or later, succeeds', async () => {
      const replica = await runtime.start(await bench.spec());
      await Promise.all([runtime.stop(replica, SOFTLY), runtime.stop(replica, SOFTLY)]);
      await runtime.stop(replica, SOFTLY);
      expect(await runtime.list()).toEqual([]);
    });

    test('listeners hear of each end once, and not after they have stopped listening', async () => {
      const heard: Replica[] = [];
      const deaf: Replica[] = [];
      runtime.onExit((replica) => heard.push(replica));
      const unlisten = runtime.onExit((replica) => deaf.push(replica));
      unlisten();
      const short = await bench.startShort(await bench.spec({ slot: 1 }), [], 4);
      await eventually('the listener hears of the crash', () => heard.length > 0);
      const long = await runtime.start(await bench.spec({ slot: 2 }));
      await runtime.stop(long, SOFTLY);
      await runtime.stop(short, SOFTLY);
      expect(heard.map(({ id }) => id)).toEqual([short.id, long.id]);
      expect(heard[0]).toEqual({ ...short, alive: false, exit: { code: 4, signal: null } });
      expect(heard[1]).toMatchObject({ alive: false });
      expect(deaf).toEqual([]);
    });

    test('what a replica uses is told from the first reading on, its cpu from the second, and null once it is gone', async () => {
      const replica = await runtime.start(await bench.spec());
      const other = await runtime.start(await bench.spec({ slot: 2 }));
      expect(await runtime.resources(replica)).toEqual({ cpu: null, memory: expect.any(Number) });
      expect(await runtime.resources(replica)).toEqual({ cpu: expect.any(Number), memory: expect.any(Number) });
      expect(await runtime.resources(other)).toEqual({ cpu: null, memory: expect.any(Number) });
      await runtime.stop(replica, SOFTLY);
      expect(await runtime.resources(replica)).toBeNull();
      expect(await runtime.resources(other)).toEqual({ cpu: expect.any(Number), memory: expect.any(Number) });
    });

    test('a replica that has crashed uses nothing', async () => {
      const replica = await bench.startShort(await bench.spec(), [], 1);
      await untilDead(replica);
      expect(await runtime.resources(replica)).toBeNull();
    });

    test('lines of output that match are counted from the call on, and the latest is kept', async () => {
      const replica = await bench.startSpeaker(await bench.spec());
      await bench.speak(replica, ['error before']);
      await eventually('it has spoken', async () => (await runtime.tail(replica, 1))[0] === 'error before');
      const matches = runtime.matchOutput(replica, /^error/);
      const all = runtime.matchOutput(replica, /^/);
      expect(matches).toMatchObject({ count: 0, last: null, skippedBytes: 0 });
      await bench.speak(replica, ['error one', 'fine', 'no error', 'error two', '']);
      await eventually('all is read', () => all.count === 5 && matches.count > 1);
      expect(matches).toMatchObject({ count: 2, last: 'error two', skippedBytes: 0 });
      matches.end();
      all.end();
    });

    test.each([/error/g, /error/y, /error/gy])('%s matches each line anew, and is left as it was', async (pattern) => {
      const replica = await bench.startSpeaker(await bench.spec());
      pattern.lastIndex = 3;
      const matches = runtime.matchOutput(replica, pattern);
      const all = runtime.matchOutput(replica, /^/);
      await bench.speak(replica, ['error one', 'error two', 'error three']);
      await eventually('all is read', () => all.count === 3 && matches.count > 2);
      expect(matches.count).toBe(3);
      expect(pattern.lastIndex).toBe(3);
      matches.end();
      all.end();
    });

    test('after `end`, which may be called twice, nothing is counted, and others count on', async () => {
      const replica = await bench.startSpeaker(await bench.spec());
      const ended = runtime.matchOutput(replica, /x/);
      const other = runtime.matchOutput(replica, /x/);
      await bench.speak(replica, ['x1']);
      await eventually('both have counted', () => ended.count + other.count === 2);
      ended.end();
      ended.end();
      await bench.speak(replica, ['x2']);
      await eventually('the other counts', () => other.count === 2);
      expect(ended).toMatchObject({ count: 1, last: 'x1' });
      other.end();
    });

    test('a line of more than 64 KiB is matched by its begin, and cut', async () => {
      const replica = await bench.startSpeaker(await bench.spec());
      const all = runtime.matchOutput(replica, /^/);
      const matches = runtime.matchOutput(replica, /late/);
      await bench.speak(replica, [`${'x'.repeat(100_000)}late`]);
      await eventually('it is read', () => all.count === 1);
      expect(all.last).toBe('x'.repeat(64 * 1024));
      await bench.speak(replica, ['late']);
      await eventually('the next is read', () => all.count === 2 && matches.count > 0);
      expect(matches.count).toBe(1);
      all.end();
      matches.end();
    });

    test('a replica that died keeps its count', async () => {
      const replica = await bench.startSpeaker(await bench.spec());
      const matches = runtime.matchOutput(replica, /x/);
      await bench.speak(replica, ['x1', 'x2']);
      await runtime.stop(replica, SOFTLY);
      await eventually('all is read', () => matches.count === 2);
      expect(matches.last).toBe('x2');
      matches.end();
    });

    test('whoever looks back is told the last lines from before the call, then each one that comes, once and in order', async () => {
      const replica = await bench.startSpeaker(await bench.spec());
      await bench.speak(replica, ['x0', 'x1', 'fine', 'x2']);
      await eventually('it has spoken', async () => (await runtime.tail(replica, 1))[0] === 'x2');
      const heard: string[] = [];
      const matches = runtime.matchOutput(replica, /^x/, { back: 3, heard: (line) => heard.push(line) });
      const later = ['x3', 'no x', 'x4'];
      for (const line of later) await bench.speak(replica, [line]);
      await eventually('all is heard', () => heard.length >= 4);
      expect(heard).toEqual(['x1', 'x2', 'x3', 'x4']);
      expect(matches).toMatchObject({ count: 4, last: 'x4', skippedBytes: 0 });
      matches.end();
      await bench.speak(replica, ['x5']);
      await eventually('it has spoken', async () => (await runtime.tail(replica, 1))[0] === 'x5');
      expect(heard).toHaveLength(4);
    });

    test('whoever looks back at a dead replica is told its last lines, and none of those of its successor', async () => {
      const spec = await bench.spec();
      const first = await bench.startShort(spec, ['one', 'two', 'three'], 1);
      await untilDead(first);
      const heard: string[] = [];
      const matches = runtime.matchOutput(first, /^/, { back: 2, heard: (line) => heard.push(line) });
      await eventually('all is heard', () => heard.length >= 2);
      const second = await bench.startShort(spec, ['its own'], 1);
      await untilDead(second);
      const its: string[] = [];
      const all = runtime.matchOutput(second, /^/, { back: 100, heard: (line) => its.push(line) });
      await eventually('all is heard', () => its.length >= 1);
      expect([heard, its]).toEqual([['two', 'three'], ['its own']]);
      matches.end();
      all.end();
    });

    test('a sweep touches no replica, dead or alive', async () => {
      const alive = await runtime.start(await bench.spec());
      const dead = await bench.startShort(await bench.spec({ slot: 2 }), [], 1);
      await untilDead(dead);
      expect(await runtime.sweep()).toEqual([]);
      expect((await runtime.list()).map((replica) => [replica.id, replica.alive])).toEqual([
        [alive.id, true],
        [dead.id, false],
      ]);
    });

    test('a refused start leaves nothing behind, and the next one works', async () => {
      const spec = await bench.spec();
      await expect(bench.startRefused(spec)).rejects.toMatchObject({ code: 'runtime-unusable' });
      expect(await runtime.list()).toEqual([]);
      const replica = await runtime.start(spec);
      expect(await runtime.list()).toEqual([replica]);
    });
  });
}
