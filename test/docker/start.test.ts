import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { contained, DockerBench, docker, engineMissing, freeSubnet, TEST_LABEL, TestNetwork } from '../support/docker.ts';
import { eventually, send, temporaryFolder } from '../support/processes.ts';

const SOFTLY = { signal: 'SIGTERM', timeout: 5000 } as const;

describe.skipIf(engineMissing())('DockerRuntime, starting', () => {
  let network: TestNetwork;
  let bench: DockerBench;
  let folder: string;

  beforeAll(async () => {
    network = await TestNetwork.make();
    folder = await temporaryFolder();
  });

  beforeEach(async () => {
    bench = await DockerBench.make(network);
  });

  afterEach(async () => {
    await bench.close();
  });

  afterAll(async () => {
    await network.remove();
    await rm(folder, { recursive: true });
  });

  async function expectNothing(): Promise<void> {
    expect(await network.containers()).toEqual([]);
    expect(await bench.runtime.list()).toEqual([]);
  }

  test('a replica answers at its address, and still does after the container was restarted', async () => {
    const replica = await bench.startReady();
    await send(replica.address, 'before\n');
    await docker.getContainer(replica.id.slice(0, 12)).restart({ t: 1 });
    const again = await eventually('it runs again', async () =>
      (await bench.runtime.list()).find(({ id, alive }) => alive && id !== replica.id),
    );
    expect(again.address).toBe(replica.address);
    await eventually('it answers', () =>
      send(replica.address, 'after\n').then(
        () => true,
        () => false,
      ),
    );
    await bench.says(again, 'after');
  });

  test('two replicas run beside each other, each in its slot, under names that tell which is which', async () => {
    const one = await bench.startReady({ slot: 1 });
    const two = await bench.startReady({ slot: 2, color: 'green' });
    await send(one.address, 'to one\n');
    await send(two.address, 'to two\n');
    await bench.says(one, 'to one');
    await bench.says(two, 'to two');
    const names = (await network.containers()).flatMap(({ Names }) => Names).sort();
    expect(names).toEqual([`/${network.name}-backend-blue-1`, `/${network.name}-backend-green-2`]);
  });

  test('a program that the image lacks is named, by the start itself or, with an init, by the last lines', async () => {
    const spec = await bench.spec({ command: ['no-such-program'] });
    await expect(bench.runtime.start({ ...spec, container: { ...spec.container!, init: false } })).rejects.toThrow(
      `there is no program "no-such-program" in the image ${spec.container!.image}`,
    );
    await expectNothing();
    const replica = await bench.runtime.start(spec);
    const dead = await eventually('it is dead', async () => (await bench.runtime.list()).find(({ alive }) => !alive));
    expect(dead.exit).toEqual({ code: 127, signal: null });
    expect((await bench.runtime.tail(replica, 5)).join()).toContain('no-such-program');
  });

  test('a program that may not be executed is named', async () => {
    const spec = await bench.spec({ command: ['/not-executable'] }, { init: false });
    await expect(bench.runtime.start(spec)).rejects.toThrow('"/not-executable" may not be executed in the image');
    await expectNothing();
  });

  test('an image that is gone is named', async () => {
    const spec = await bench.spec({}, { image: 'turnout-test-gone:v1' });
    await expect(bench.runtime.start(spec)).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: `${network.name}-backend-blue-1 cannot be started: the image turnout-test-gone:v1 is not there any more`,
    });
    await expectNothing();
  });

  test('a user that the image does not know is named', async () => {
    const spec = await bench.spec({}, { user: 'nobody-knows' });
    await expect(bench.runtime.start(spec)).rejects.toThrow('does not know the user nobody-knows');
    await expectNothing();
  });

  test('an address in use is named, and the container that has it, and nothing is left behind', async () => {
    const other = await bench.startReady({ service: 'other' });
    const spec = await bench.spec({ address: other.address });
    await expect(bench.runtime.start(spec)).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: expect.stringContaining(
        `its address ${other.address.split(':')[0]} is in use by the container ${network.name}-other-blue-1`,
      ),
    });
    expect(await bench.runtime.list()).toEqual([other]);
    expect(await network.containers()).toHaveLength(1);
    await bench.runtime.stop(other, SOFTLY);
    expect((await bench.runtime.start(spec)).alive).toBe(true);
  });

  test('an address outside of the network is named', async () => {
    const spec = await bench.spec({ address: '10.99.99.9:8000' });
    await expect(bench.runtime.start(spec)).rejects.toThrow(`its address 10.99.99.9 is none of the network ${network.name}`);
    await expectNothing();
  });

  test('a network that does not exist is named, and how to make it', async () => {
    const runtime = bench.newRuntime({ network: 'turnout-test-none' });
    await expect(runtime.start(await bench.spec())).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: 'The Docker network turnout-test-none does not exist',
      hint: expect.stringContaining('docker network create --subnet 172.30.'),
    });
    await expectNothing();
  });

  test('a network with another subnet is refused, naming both', async () => {
    let subnet = freeSubnet();
    while (subnet.address === network.subnet.address) subnet = freeSubnet();
    const runtime = bench.newRuntime({ subnet });
    await expect(runtime.start(await bench.spec())).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: `The Docker network ${network.name} has ${network.subnet.address}/24, and docker.subnet is ${subnet.address}/24`,
    });
    await expectNothing();
  });

  test("a container of the same name that is not Turnout's is named and left alone", async () => {
    const spec = await bench.spec();
    const name = `${network.name}-backend-blue-1`;
    await docker.createContainer({ name, Image: spec.container!.image, Cmd: ['x'], Labels: { [TEST_LABEL]: network.name } });
    await expect(bench.runtime.start(spec)).rejects.toThrow(
      `A container named ${name} is there already, and it is not Turnout's`,
    );
    expect((await network.containers()).map(({ Names }) => Names[0])).toEqual([`/${name}`]);
  });

  test('what an earlier start has left created is replaced', async () => {
    const spec = await bench.spec();
    const name = `${network.name}-backend-blue-1`;
    const Labels = { 'dev.turnout.network': network.name };
    await docker.createContainer({ name, Image: spec.container!.image, Cmd: ['x'], Labels });
    const replica = await bench.runtime.start(spec);
    expect(await bench.runtime.list()).toEqual([replica]);
    expect(await network.containers()).toHaveLength(1);
  });

  test('it is told its port, service, color, release and slot, and gets its own variables', async () => {
    const replica = await bench.startReady({
      service: 'shop',
      color: 'green',
      slot: 2,
      release: 'v9',
      env: { MOTTO: 'a=b c', EMPTY: '' },
      command: contained.tells('process.env'),
    });
    expect(JSON.parse((await bench.runtime.tail(replica, 10))[0]!)).toMatchObject({
      PORT: '8000',
      TURNOUT_SERVICE: 'shop',
      TURNOUT_COLOR: 'green',
      TURNOUT_RELEASE: 'v9',
      TURNOUT_SLOT: '2',
      MOTTO: 'a=b c',
      EMPTY: '',
    });
  });

  test('secrets are files that everybody in the container can read, also beside a read-only root, and in nothing that Docker shows', async () => {
    const path = join(folder, 'password');
    await writeFile(path, 'hunter2-the-secret', { mode: 0o600 });
    const tells = `(() => { const { readFileSync: read, statSync: stat, readdirSync: list } = require('fs'); const path = '/run/secrets/db-password';
      const { mode, uid, gid } = stat(path); return { content: read(path, 'utf8').length, mode: mode & 0o777, uid, gid, all: list('/run/secrets') }; })()`;
    const secrets = { 'db-password': path };
    for (const [user, uid, gid] of [
      ['1000:1000', 1000, 1000],
      ['app', 0, 0],
    ] as const) {
      const replica = await bench.startReady({ command: contained.tells(tells) }, { secrets, readOnly: true, user });
      const told = JSON.parse((await bench.runtime.tail(replica, 10))[0]!);
      expect(told).toEqual({ content: 18, mode: 0o444, uid, gid, all: ['db-password'] });
      const info = await bench.inspect(replica);
      expect(JSON.stringify(info)).not.toContain('hunter2');
      const volume = info.Mounts[0]!.Name!;
      await bench.runtime.stop(replica, SOFTLY);
      await expect(docker.getVolume(volume).inspect()).rejects.toMatchObject({ statusCode: 404 });
    }
  });

  test('a secret that cannot be read is named by its path, before anything is made', async () => {
    const path = join(folder, 'none');
    await expect(bench.runtime.start(await bench.spec({}, { secrets: { key: path } }))).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: `The secret "key" cannot be read from ${path} (ENOENT)`,
    });
    await expectNothing();
  });

  test('limits, rights, mounts and logs are as asked for', async () => {
    const command =
      contained.tells(`(() => { const fs = require('fs'); const can = (path) => { try { fs.writeFileSync(path, ''); return true; } catch { return false; } };
      return { root: can('/file'), tmp: can('/tmp/file'), data: can('/data/file'), caps: /CapBnd:\\s*(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1], uid: process.getuid() }; })()`);
    const replica = await bench.startReady(
      { command, stop: { signal: 'SIGINT', timeout: 2500 } },
      {
        cpus: 0.5,
        memory: 128 * 1024 ** 2,
        readOnly: true,
        capDrop: ['ALL'],
        tmpfs: ['/tmp'],
        volumes: [`${folder}:/data:ro`],
        user: '1000',
        log: { maxSize: 1_000_000, maxFiles: 2 },
      },
    );
    const told = JSON.parse((await bench.runtime.tail(replica, 10))[0]!);
    expect(told).toEqual({ root: false, tmp: true, data: false, caps: '0000000000000000', uid: 1000 });
    const { HostConfig, Config } = await bench.inspect(replica);
    expect(HostConfig).toMatchObject({
      NanoCpus: 500_000_000,
      Memory: 128 * 1024 ** 2,
      MemorySwap: 128 * 1024 ** 2,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      Init: true,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1000000', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
    });
    expect(Config).toMatchObject({ StopSignal: 'SIGINT', StopTimeout: 3, User: '1000' });
  });

  test('an empty command means what the image says', async () => {
    const spec = await bench.spec({ command: [] });
    await expect(bench.runtime.start(spec)).rejects.toThrow(/No command specified/);
    await expectNothing();
  });
});
