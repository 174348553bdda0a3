import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { DockerRuntime } from '../../sidecar/runtime/docker/index.ts';
import { DockerBench, docker, EngineProxy, engineMissing, fixtureImage, TestNetwork } from '../support/docker.ts';
import { eventually, freePort } from '../support/processes.ts';

const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

describe.skipIf(engineMissing())('DockerRuntime, when the engine goes away', () => {
  let network: TestNetwork;
  let bench: DockerBench;
  let proxy: EngineProxy;
  let runtime: DockerRuntime;

  beforeAll(async () => {
    network = await TestNetwork.make();
  });

  beforeEach(async () => {
    proxy = await EngineProxy.make();
    bench = await DockerBench.make(network);
    runtime = bench.newRuntime({ socket: proxy.socket });
  });

  afterEach(async () => {
    await bench.close();
    await proxy.close();
  });

  afterAll(async () => {
    await network.remove();
  });

  const away = () => ({
    code: 'runtime-unusable',
    message: expect.stringMatching(new RegExp(`the Docker engine at unix://${proxy.socket} cannot be reached`)),
  });

  test('each call says so, and which engine, and works again once it is back', async () => {
    const replica = await runtime.start(await bench.spec());
    expect(await runtime.list()).toEqual([replica]);
    await proxy.cut();
    await eventually('the list notices', () =>
      runtime.list().then(
        () => false,
        () => true,
      ),
    );
    const begin = performance.now();
    await expect(runtime.list()).rejects.toMatchObject(away());
    await expect(runtime.start(await bench.spec({ slot: 2 }))).rejects.toMatchObject(away());
    await expect(runtime.stop(replica, SOFTLY)).rejects.toMatchObject(away());
    await expect(runtime.tail(replica, 5)).rejects.toMatchObject(away());
    await expect(runtime.keep(replica)).rejects.toMatchObject(away());
    await expect(runtime.resources(replica)).rejects.toMatchObject(away());
    await expect(runtime.sweep()).rejects.toMatchObject(away());
    await expect(runtime.prune(['x'])).rejects.toMatchObject(away());
    const request = { reference: 'x', pinned: null, pull: 'missing' } as const;
    await expect(runtime.prepare(request, () => {}, new AbortController().signal)).rejects.toMatchObject(away());
    expect(performance.now() - begin).toBeLessThan(1000);
    await proxy.restore();
    expect(await runtime.list()).toEqual([replica]);
    await runtime.stop(replica, SOFTLY);
    expect(await runtime.list()).toEqual([]);
  });

  test.each([
    ['before it hears of the creation', /POST \/containers\/create/, true],
    ['after the creation', /POST \/containers\/create/, false],
    ['before it hears of the start', /POST \/containers\/\w+\/start/, true],
    ['after the start', /POST \/containers\/\w+\/start/, false],
  ])('a start that breaks off %s leaves nothing behind once the engine is back', async (_, pattern, before) => {
    await runtime.list();
    proxy.cutAt(pattern, before);
    const spec = await bench.spec();
    await expect(runtime.start(spec)).rejects.toMatchObject(away());
    await proxy.restore();
    // By itself, without another call.
    await eventually('nothing is left', async () => (await network.containers()).length === 0);
    expect(await runtime.list()).toEqual([]);
    const replica = await runtime.start(spec);
    expect(await runtime.list()).toEqual([replica]);
    expect(await network.containers()).toHaveLength(1);
  });

  test('a list that breaks off is refused, and the next one is whole', async () => {
    const replica = await bench.startReady();
    proxy.cutAt(/GET \/containers\/json/);
    await expect(runtime.list()).rejects.toMatchObject(away());
    await proxy.restore();
    expect(await runtime.list()).toEqual([replica]);
  });

  test('a stop that breaks off is refused, and may be repeated', async () => {
    const replica = await bench.startReady();
    await runtime.list();
    proxy.cutAt(/POST \/containers\/\w+\/stop/, true);
    await expect(runtime.stop(replica, SOFTLY)).rejects.toMatchObject(away());
    await proxy.restore();
    expect(await runtime.list()).toEqual([replica]);
    proxy.cutAt(/DELETE \/containers\/\w+/);
    await runtime.stop(replica, SOFTLY).catch(() => {});
    await proxy.restore();
    await runtime.stop(replica, SOFTLY);
    expect(await runtime.list()).toEqual([]);
    expect(await network.containers()).toEqual([]);
  });

  test('a socket that is not there and a port that nobody listens on are named, with what to do', async () => {
    await expect(bench.newRuntime({ socket: '/nowhere/docker.sock' }).list()).rejects.toMatchObject({
      message: 'The containers cannot be listed: the Docker engine at unix:///nowhere/docker.sock cannot be reached (ENOENT)',
      hint: expect.stringContaining('`docker.socket`'),
    });
    const port = await freePort();
    await expect(bench.newRuntime({ host: { host: '127.0.0.1', port } }).list()).rejects.toMatchObject({
      message: `The containers cannot be listed: the Docker engine at tcp://127.0.0.1:${port} cannot be reached (ECONNREFUSED)`,
      hint: expect.stringContaining('`docker.host`'),
    });
    expect(() => bench.newRuntime({ host: { host: '127.0.0.1', port }, tls: '/nowhere' })).toThrow('/nowhere/ca.pem');
  });

  test('a variable DOCKER_HOST leads nowhere else', async () => {
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = 'ssh://nobody@nowhere.invalid';
    try {
      expect(await bench.newRuntime().list()).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
    }
    expect(await fixtureImage()).toMatch(/^turnout-test-fixture:/);
    expect((await docker.ping()).toString()).toBe('OK');
  });
});
