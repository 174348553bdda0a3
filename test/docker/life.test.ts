import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { Replica } from '../../sidecar/runtime/runtime.ts';
import { contained, DockerBench, docker, EngineProxy, engineMissing, node, TestNetwork } from '../support/docker.ts';
import { eventually } from '../support/processes.ts';

const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

describe.skipIf(engineMissing())('DockerRuntime, while replicas run', () => {
  let network: TestNetwork;
  let bench: DockerBench;

  beforeAll(async () => {
    network = await TestNetwork.make();
  });

  beforeEach(async () => {
    bench = await DockerBench.make(network);
  });

  afterEach(async () => {
    await bench.close();
  });

  afterAll(async () => {
    await network.remove();
  });

  const only = async (runtime = bench.runtime) => (await runtime.list())[0] as Replica;

  function hear(runtime = bench.runtime): Replica[] {
    const heard: Replica[] = [];
    runtime.onExit((replica) => heard.push(replica));
    return heard;
  }

  test('a kept replica is kept in the list of this sidecar and of the next, and Docker brings it back under a new id', async () => {
    const heard = hear();
    const first = await bench.startReady();
    expect(first.kept).toBe(false);
    await bench.runtime.keep(first);
    expect(await only()).toEqual({ ...first, kept: true });
    expect(await only(bench.newRuntime())).toEqual({ ...first, kept: true });
    await bench.crash(first);
    const second = await eventually('it is back', async () =>
      (await bench.runtime.list()).find(({ alive, id }) => alive && id !== first.id),
    );
    expect(second).toMatchObject({ address: first.address, kept: true, exit: null, deployment: first.deployment });
    await bench.says(second, 'ready');
    expect(heard).toEqual([{ ...first, kept: true, alive: false, exit: { code: 137, signal: 'SIGKILL' } }]);
    await bench.runtime.stop(first, SOFTLY);
    expect(await bench.runtime.list()).toEqual([second]);
    await bench.runtime.keep(first);
    expect(await bench.runtime.resources(first)).toBeNull();
    await bench.runtime.stop(second, SOFTLY);
    expect(await network.containers()).toEqual([]);
    expect(heard).toHaveLength(2);
  });

  test('what an earlier run in the same container wrote is not taken for the next one', async () => {
    const first = await bench.startReady();
    await bench.runtime.keep(first);
    await bench.speak(first, ['of the first']);
    await bench.says(first, 'of the first');
    const matches = bench.runtime.matchOutput(first, /^/);
    await bench.crash(first);
    const second = await eventually('it is back', async () =>
      (await bench.runtime.list()).find(({ alive, id }) => alive && id !== first.id),
    );
    await bench.says(second, 'ready');
    await bench.speak(second, ['of the second']);
    await bench.says(second, 'of the second');
    expect(await bench.runtime.tail(second, 10)).toEqual(['ready', 'of the second']);
    expect(await bench.runtime.tail(first, 10)).toEqual(['ready', 'of the first']);
    expect(matches.count).toBe(0);
    const late = bench.runtime.matchOutput(first, /^/);
    await bench.speak(second, ['more']);
    await bench.says(second, 'more');
    expect([matches.count, late.count]).toEqual([0, 0]);
  });

  test('a kept replica that crashes again and again is heard of once for each run, and can be stopped', async () => {
    const heard = hear();
    const replica = await bench.startReady({ command: node(`${contained.serves[2]} setTimeout(() => process.exit(6), 500)`) });
    await bench.runtime.keep(replica);
    await eventually('it has crashed again', () => heard.length >= 3);
    expect(new Set(heard.map(({ id }) => id)).size).toBe(heard.length);
    expect(heard.every(({ alive, exit }) => !alive && exit?.code === 6)).toBe(true);
    // The one that is stopped may have had a successor meanwhile, which then stays.
    await eventually('it is stopped', async () => {
      await bench.runtime.stop(await only(), SOFTLY);
      return (await bench.runtime.list()).length === 0;
    });
    expect(await network.containers()).toEqual([]);
    expect(await bench.runtime.list()).toEqual([]);
  });

  test('one that is not kept stays dead, and is heard of within a moment', async () => {
    const heard = hear();
    const replica = await bench.startReady();
    await bench.runtime.list();
    await bench.crash(replica);
    const died = performance.now();
    await eventually('it is heard of', () => heard.length > 0);
    expect(performance.now() - died).toBeLessThan(500);
    expect(await only()).toEqual({ ...replica, alive: false, exit: { code: 137, signal: 'SIGKILL' } });
    expect(heard).toEqual([await only()]);
  });

  test('one whose replica wants too much memory says so in its last lines', async () => {
    const replica = await bench.startReady({ command: contained.eats }, { memory: 64 * 1024 ** 2 });
    const dead = await eventually('it is dead', async () => (await bench.runtime.list()).find(({ alive }) => !alive));
    expect(dead.exit).toEqual({ code: 137, signal: 'SIGKILL' });
    expect((await bench.runtime.tail(replica, 2)).at(-1)).toBe(
      '[turnout] killed by the kernel: it wanted more memory than 64 MiB',
    );
  });

  test('a paused replica is alive, and can be stopped', async () => {
    const replica = await bench.startReady();
    await docker.getContainer(replica.id.slice(0, 12)).pause();
    expect((await only(bench.newRuntime())).alive).toBe(true);
    await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 1000 });
    expect(await network.containers()).toEqual([]);
  });

  test.each([
    ['what it was started with', { signal: 'SIGTERM', timeout: 1000 }],
    ['another limit', { signal: 'SIGTERM', timeout: 700 }],
    ['another signal', { signal: 'SIGHUP', timeout: 1000 }],
  ] as const)('a kept replica that ignores its signal is killed at the limit, with %s', async (_, options) => {
    const command = node(`process.on('SIGHUP', () => {}); ${contained.ignoresSigterm[2]}`);
    const replica = await bench.startReady({ command });
    await bench.runtime.keep(replica);
    const heard = hear();
    const begin = performance.now();
    await bench.runtime.stop(replica, options);
    const took = performance.now() - begin;
    expect(took).toBeGreaterThan(options.timeout);
    expect(took).toBeLessThan(options.timeout + 1500);
    expect(heard).toMatchObject([{ id: replica.id, exit: { code: 137, signal: 'SIGKILL' } }]);
    expect(await network.containers()).toEqual([]);
  });

  test('one that ends in time is not killed, whatever the signal', async () => {
    for (const signal of ['SIGTERM', 'SIGUSR2'] as const) {
      const command = node(`process.on('${signal}', () => setTimeout(() => process.exit(5), 300)); ${contained.serves[2]}`);
      const heard = hear();
      const replica = await bench.startReady({ command });
      await bench.runtime.keep(replica);
      await bench.runtime.stop(replica, { signal, timeout: 10_000 });
      expect(heard).toMatchObject([{ id: replica.id, exit: { code: 5, signal: null } }]);
    }
  });

  test('its last words reach whoever matches its output, though it is removed at once', async () => {
    const replica = await bench.startReady({ command: contained.endsAfter(50) });
    const matches = bench.runtime.matchOutput(replica, /^bye$/);
    await bench.runtime.stop(replica, SOFTLY);
    expect(matches.count).toBe(1);
  });

  test('ends are heard of once, whether the stream of events was there or not', async () => {
    const proxy = await EngineProxy.make();
    try {
      const runtime = bench.newRuntime({ socket: proxy.socket });
      const heard = hear(runtime);
      const one = await runtime.start(await bench.spec({ slot: 1 }));
      const two = await runtime.start(await bench.spec({ slot: 2 }));
      const three = await runtime.start(await bench.spec({ slot: 3 }));
      await runtime.list();
      await bench.crash(one);
      await eventually('the first is heard of', () => heard.length === 1);
      await proxy.cut();
      await bench.crash(two);
      await eventually('it is dead', async () => !(await bench.inspect(two)).State.Running);
      expect(heard).toHaveLength(1);
      await proxy.restore();
      await eventually('the second is heard of', () => heard.length === 2);
      proxy.break();
      await bench.crash(three);
      await eventually('the third is heard of', () => heard.length === 3);
      await runtime.list();
      proxy.break();
      await runtime.list();
      expect(heard.map(({ id }) => id)).toEqual([one.id, two.id, three.id]);
      expect(heard.every(({ alive, exit }) => !alive && exit?.code === 137)).toBe(true);
    } finally {
      await proxy.close();
    }
  });

  test('an end that the engine itself has forgotten is heard of once it can be heard again', async () => {
    const proxy = await EngineProxy.make();
    try {
      const runtime = bench.newRuntime({ socket: proxy.socket });
      const heard = hear(runtime);
      const replica = await runtime.start(await bench.spec());
      await runtime.list();
      await proxy.cut();
      await bench.crash(replica);
      await eventually('it is dead', async () => !(await bench.inspect(replica)).State.Running);
      // It remembers 256 events.
      const image = docker.getImage((await bench.inspect(replica)).Image);
      for (let told = 0; told < 140; told++) {
        await image.tag({ repo: 'turnout-test-told', tag: network.name });
        await docker.getImage(`turnout-test-told:${network.name}`).remove();
      }
      await proxy.restore();
      // Sooner than by the look at everything that it takes now and then.
      await eventually('it is heard of', () => heard.length > 0, 3000);
      expect(heard).toEqual([{ ...replica, alive: false, exit: { code: 137, signal: 'SIGKILL' } }]);
    } finally {
      await proxy.close();
    }
  });

  test('one that ends before anybody could see it alive is heard of, once', async () => {
    const heard = hear();
    await bench.runtime.list();
    const slots = [1, 2, 3, 4, 5, 6];
    const all = await Promise.all(
      // Its init finds nothing to run.
      slots.map(async (slot) => bench.runtime.start(await bench.spec({ slot, command: ['no-such-program'] }))),
    );
    await eventually('all are heard of', () => heard.length === slots.length);
    await bench.runtime.list();
    const tails = await Promise.all(all.map((replica) => bench.runtime.tail(replica, 5)));
    await Promise.all(all.map((replica) => bench.runtime.stop(replica, SOFTLY)));
    // Its first words may come before the engine has noted that it runs.
    for (const tail of tails) expect(tail.join()).toContain('no-such-program');
    expect(heard.map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort());
    expect(heard.every(({ exit }) => exit?.code === 127)).toBe(true);
  });

  test('a container that somebody removes is heard of, and gone', async () => {
    const heard = hear();
    const replica = await bench.startReady();
    await docker.getContainer(replica.id.slice(0, 12)).remove({ force: true, v: true });
    await eventually('it is heard of', () => heard.length === 1);
    await eventually('it is gone', async () => (await bench.runtime.list()).length === 0);
    expect(await bench.runtime.tail(replica, 5)).toEqual([]);
    await bench.runtime.stop(replica, SOFTLY);
    expect(heard).toMatchObject([{ id: replica.id, alive: false }]);
  });

  test('while nothing changes, the list costs the engine nothing', async () => {
    const proxy = await EngineProxy.make();
    try {
      const runtime = bench.newRuntime({ socket: proxy.socket });
      await runtime.start(await bench.spec());
      await eventually('events come', async () => {
        const before = proxy.requests.length;
        await runtime.list();
        return proxy.requests.length === before;
      });
      const before = proxy.requests.length;
      for (let asked = 0; asked < 100; asked++) await runtime.list();
      expect(proxy.requests.slice(before)).toEqual([]);
    } finally {
      await proxy.close();
    }
  });

  test('replicas of another network are left alone', async () => {
    const other = await TestNetwork.make();
    const others = await DockerBench.make(other);
    try {
      const replica = await others.startReady();
      expect(await bench.runtime.list()).toEqual([]);
      expect(await bench.runtime.sweep()).toEqual([]);
      expect(await others.runtime.list()).toEqual([replica]);
    } finally {
      await others.close();
      await other.remove();
    }
  });

  test('a sweep removes what is ours and no replica: created long ago, or without the labels of one', async () => {
    const { container } = await bench.spec();
    const Labels = { 'dev.turnout.network': network.name };
    const nameless = await docker.createContainer({ Image: container!.image, Cmd: ['x'], Labels });
    const whole = {
      ...Labels,
      'dev.turnout.service': 'backend',
      'dev.turnout.color': 'blue',
      'dev.turnout.slot': '7',
      'dev.turnout.address': network.address(),
      'dev.turnout.release': 'v1',
      'dev.turnout.deployment': 'd1',
    };
    const fresh = await docker.createContainer({ Image: container!.image, Cmd: ['x'], Labels: whole });
    expect(await bench.runtime.list()).toEqual([]);
    expect(await bench.runtime.sweep()).toEqual([nameless.id.slice(0, 12)]);
    expect(await network.containers()).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 11_500));
    expect(await bench.runtime.sweep()).toEqual([fresh.id.slice(0, 12)]);
    expect(await network.containers()).toEqual([]);
  });

  test('cpu is measured in cores, from one question to the next', async () => {
    const busy = await bench.startReady({ command: node(`${contained.serves[2]} setTimeout(() => { for (;;); }, 100);`) });
    const idle = await bench.startReady({ slot: 2 });
    await Promise.all([bench.runtime.resources(busy), bench.runtime.resources(idle)]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const [much, little] = await Promise.all([bench.runtime.resources(busy), bench.runtime.resources(idle)]);
    expect(much!.cpu).toBeGreaterThan(0.4);
    expect(much!.cpu).toBeLessThan(1.2);
    expect(little!.cpu).toBeLessThan(0.2);
    expect(little!.memory).toBeGreaterThan(1e6);
    expect(little!.memory).toBeLessThan(100e6);
  });
});
