import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GatewayEnd } from '../../sidecar/gateway/container.ts';
import { DockerGatewayContainer } from '../../sidecar/runtime/docker/index.ts';
import { docker, EngineProxy, engineMissing, fixtureImage, node, TEST_LABEL, TestNetwork } from '../support/docker.ts';
import { eventually } from '../support/processes.ts';

const IDLE = `setInterval(() => {}, 1e6); process.on('SIGHUP', () => console.log('hup')); process.on('SIGTERM', () => process.exit(0)); console.log('ready');`;

describe.skipIf(engineMissing())('the container of a gateway', () => {
  let network: TestNetwork;
  let gateway: DockerGatewayContainer;

  beforeAll(async () => {
    network = await TestNetwork.make();
  });

  beforeEach(() => {
    gateway = new DockerGatewayContainer(network.config());
  });

  afterEach(async () => {
    await gateway.close();
    await network.clear();
  });

  afterAll(async () => {
    await network.remove();
  });

  async function make(name: string, on = network.name): Promise<string> {
    const container = await docker.createContainer({
      name: `${network.name}-${name}`,
      Image: await fixtureImage(),
      Cmd: node(IDLE),
      Labels: { 'dev.turnout.role': 'gateway', [TEST_LABEL]: network.name },
      HostConfig: { NetworkMode: on },
    });
    return container.id;
  }

  async function run(name: string): Promise<string> {
    const id = await make(name);
    await docker.getContainer(id).start();
    await eventually('it is ready', async () =>
      (await docker.getContainer(id).logs({ stdout: true })).toString().includes('ready'),
    );
    return id;
  }

  test('is found by its label on our network, in whatever state', async () => {
    expect(await gateway.find()).toBeNull();
    await make('elsewhere', 'bridge');
    expect(await gateway.find()).toBeNull();
    const id = await make('one');
    const name = `${network.name}-one`;
    expect(await gateway.find()).toEqual({ id, name, state: 'created', exitCode: 0 });
    await gateway.start(id);
    await gateway.start(id);
    expect(await gateway.find()).toEqual({ id, name, state: 'running', exitCode: 0 });
    await gateway.kill(id);
    await eventually('it is dead', async () => (await gateway.find())?.state === 'exited');
    expect(await gateway.find()).toEqual({ id, name, state: 'exited', exitCode: 137 });
    await gateway.kill(id);
  });

  test('is one: two of them are an error that names both', async () => {
    await make('one');
    await make('two');
    await expect(gateway.find()).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: expect.stringMatching(/-(one|two) and .*-(one|two) both/),
    });
  });

  test('runs programs, and answers what they said and how they ended', async () => {
    const id = await run('one');
    const words = node(`console.log('out'); console.error('err'); process.exitCode = 3;`);
    expect(await gateway.exec(id, words)).toEqual({ code: 3, output: expect.stringMatching(/^(out\nerr\n|err\nout\n)$/) });
    expect(await gateway.exec(id, node(''))).toEqual({ code: 0, output: '' });
    const { code, output } = await gateway.exec(id, ['no-such-program']);
    expect([code, output]).toEqual([126, expect.stringContaining('no-such-program')]);
    await expect(gateway.exec('0'.repeat(64), ['x'])).rejects.toMatchObject({ code: 'runtime-unusable' });
  });

  test('can be told to reload from inside, and tells the titles of its processes', async () => {
    const id = await run('one');
    const hangUp = [process.execPath, '-e', "process.kill(1, 'SIGHUP')"];
    expect(await gateway.exec(id, hangUp)).toEqual({ code: 0, output: '' });
    await eventually('it has heard', async () =>
      (await docker.getContainer(id).logs({ stdout: true })).toString().includes('hup'),
    );
    expect(await gateway.titles(id)).toEqual([expect.stringContaining(`${process.execPath} -e`)]);
  });

  test('that was stopped or removed ended deliberately; one that was killed or crashed did not', async () => {
    const ends: GatewayEnd[] = [];
    const deaf: GatewayEnd[] = [];
    gateway.onEnd((end) => ends.push(end));
    gateway.onEnd((end) => deaf.push(end))();
    const id = await run('one');
    await gateway.find();
    const again = async () => {
      await gateway.start(id);
      await eventually('it runs', async () => (await gateway.find())?.state === 'running');
    };
    await docker.getContainer(id).kill();
    await eventually('the kill is heard of', () => ends.length === 1);
    await again();
    process.kill((await docker.getContainer(id).inspect()).State.Pid, 'SIGKILL');
    await eventually('the crash is heard of', () => ends.length === 2);
    await again();
    await docker.getContainer(id).stop({ t: 0 });
    await eventually('the stop is heard of', () => ends.length === 3);
    await again();
    await docker.getContainer(id).remove({ force: true });
    await eventually('the removal is heard of', () => ends.length === 4);
    expect(ends.map(({ deliberate }) => deliberate)).toEqual([false, false, true, true]);
    expect(ends.every((end) => end.id === id)).toBe(true);
    expect(deaf).toEqual([]);
  });

  test('of another network is not heard of', async () => {
    const ends: GatewayEnd[] = [];
    gateway.onEnd((end) => ends.push(end));
    const other = await make('elsewhere', 'bridge');
    await docker.getContainer(other).start();
    await docker.getContainer(other).kill();
    const id = await run('one');
    await docker.getContainer(id).kill();
    await eventually('ours is heard of', () => ends.length > 0);
    expect(ends).toEqual([{ id, deliberate: false }]);
  });

  test('that ended while the engine could not be heard is told of once it can', async () => {
    const proxy = await EngineProxy.make();
    const watching = new DockerGatewayContainer(network.config({ socket: proxy.socket }));
    try {
      const ends: GatewayEnd[] = [];
      const id = await run('one');
      watching.onEnd((end) => ends.push(end));
      await watching.find();
      await proxy.cut();
      await docker.getContainer(id).kill();
      await proxy.restore();
      await eventually('it is heard of', () => ends.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(ends).toEqual([{ id, deliberate: false }]);
    } finally {
      await watching.close();
      await proxy.close();
    }
  });
});
