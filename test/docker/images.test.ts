import { randomBytes, randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { RegistryAuth } from '../../sidecar/config/config.ts';
import type { DockerRuntime } from '../../sidecar/runtime/docker/index.ts';
import type { ImageRequest } from '../../sidecar/runtime/runtime.ts';
import {
  DockerBench,
  docker,
  engineMissing,
  fixtureImage,
  imageId,
  SOCKET,
  split,
  TestNetwork,
  tinyImage,
} from '../support/docker.ts';
import { eventually, temporaryFolder } from '../support/processes.ts';
import { Registry, registryMissing, USER } from '../support/registry.ts';

const never = () => new AbortController().signal;

function wanted(reference: string, over: Partial<ImageRequest> = {}): ImageRequest {
  return { reference, pinned: null, pull: 'missing', ...over };
}

describe.skipIf(engineMissing() ?? registryMissing())('the images of DockerRuntime', () => {
  let network: TestNetwork;
  let bench: DockerBench;
  let registry: Registry;
  let folder: string;
  let auth: RegistryAuth;
  let runtime: DockerRuntime;
  const local: string[] = [];

  beforeAll(async () => {
    [network, registry, folder] = await Promise.all([TestNetwork.make(), Registry.start(), temporaryFolder()]);
    await writeFile(join(folder, 'password'), `${USER.password}\n`);
    await writeFile(join(folder, 'wrong'), 'wrong');
    auth = { registries: { [registry.host]: { username: USER.username, passwordFile: join(folder, 'password') } } };
  });

  beforeEach(async () => {
    bench = await DockerBench.make(network);
    runtime = bench.newRuntime({ registryAuth: auth });
  });

  afterEach(async () => {
    await bench.close();
    await registry.forget();
    for (const name of local.splice(0))
      await docker
        .getImage(name)
        .remove()
        .catch(() => {});
  });

  afterAll(async () => {
    await registry.stop();
    await network.remove();
    await rm(folder, { recursive: true });
  });

  const prepare = (request: ImageRequest, on = runtime, told: (progress: string) => void = () => {}) =>
    on.prepare(request, told, never());

  /** Each test its own, since a digest is remembered. */
  function repository(): string {
    return `team/app-${randomUUID().slice(0, 8)}`;
  }

  async function localImage(name = `turnout-test-local-${randomUUID().slice(0, 8)}:v1`): Promise<{ name: string; id: string }> {
    local.push(name);
    return { name, id: await tinyImage(name) };
  }

  test('one that was built here is pinned by its id, and none is asked for it', async () => {
    const { name, id } = await localImage();
    const offline = bench.newRuntime();
    expect(await prepare(wanted(name), offline)).toBe(id);
    expect(await prepare(wanted(name, { pull: 'never' }), offline)).toBe(id);
    expect(await offline.identify(wanted(name))).toBe(id);
    await tinyImage(name);
    expect(await prepare(wanted(name, { pinned: id }), offline)).toBe(id);
    expect(await offline.identify(wanted(name, { pinned: id }))).toBe(id);
    expect(await offline.identify(wanted(name))).not.toBe(id);
    await docker.getImage(id).remove();
    await expect(prepare(wanted(name, { pinned: id }), offline)).rejects.toMatchObject({
      code: 'image-unavailable',
      message: `The image ${name} is not here: ${id}, which it meant, is gone, and it was never in a registry`,
    });
  });

  test('one that is not here, and may not be pulled, is named', async () => {
    await expect(prepare(wanted('turnout-test-none:v7', { pull: 'never' }))).rejects.toMatchObject({
      code: 'image-unavailable',
      message: 'The image turnout-test-none:v7 is not here: `pull: never` forbids to fetch it',
    });
    const pinned = `turnout-test-none@sha256:${'0'.repeat(64)}`;
    await expect(prepare(wanted('turnout-test-none:v7', { pinned, pull: 'never' }))).rejects.toMatchObject({
      code: 'image-unavailable',
    });
    expect(await runtime.identify(wanted('turnout-test-none:v7'))).toBeNull();
  });

  test('one of a registry that nobody runs is named, with the registry', async () => {
    await expect(prepare(wanted('127.0.0.1:1/x:y'))).rejects.toMatchObject({
      code: 'image-unavailable',
      message: expect.stringMatching(
        /^127\.0\.0\.1:1\/x:y cannot be pulled from 127\.0\.0\.1:1: the registry cannot be reached \(.*refused/,
      ),
    });
    expect(await runtime.identify(wanted('127.0.0.1:1/x:y', { pull: 'always' }))).toBeNull();
  });

  test('with the right password it is pulled, told of, and pinned by its digest; a tag that moves moves only new requests', async () => {
    const name = `${registry.host}/${repository()}`;
    const short = name.slice(registry.host.length + 1);
    const first = await registry.publish(`${short}:v1`);
    const told: string[] = [];
    const pin = await prepare(wanted(`${name}:v1`), runtime, (progress) => told.push(progress));
    expect(pin).toBe(`${name}@${first}`);
    expect(told[0]).toContain(`pulling ${name}:v1`);
    expect(await imageId(`${name}:v1`)).not.toBeNull();
    expect(await runtime.identify(wanted(`${name}:v1`))).toBe(pin);

    const here = await imageId(`${name}:v1`);
    const second = await registry.publish(`${short}:v1`);
    expect(second).not.toBe(first);
    expect(await runtime.identify(wanted(`${name}:v1`, { pull: 'always' }))).toBe(`${name}@${second}`);
    // The engine has forgotten both by now: publishing clears it.
    expect(await prepare(wanted(`${name}:v1`, { pinned: pin }))).toBe(pin);
    expect(await imageId(pin)).toBe(here);
    expect(await prepare(wanted(`${name}:v1`, { pull: 'always' }))).toBe(`${name}@${second}`);
    expect(await prepare(wanted(`${name}:v1`, { pinned: pin, pull: 'always' }))).toBe(pin);
  });

  test('without a tag it is the one called latest, and no other is fetched', async () => {
    const short = repository();
    const name = `${registry.host}/${short}`;
    await registry.publish(`${short}:v1`);
    const latest = await registry.publish(`${short}:latest`);
    expect(await prepare(wanted(name))).toBe(`${name}@${latest}`);
    expect(await imageId(`${name}:v1`)).toBeNull();
    expect(await runtime.identify(wanted(name, { pull: 'always' }))).toBe(`${name}@${latest}`);
  });

  test('a tag that the registry lacks is named', async () => {
    const short = repository();
    await registry.publish(`${short}:v1`);
    const name = `${registry.host}/${short}:v2`;
    await expect(prepare(wanted(name))).rejects.toMatchObject({
      code: 'image-unavailable',
      message: expect.stringMatching(new RegExp(`^${name} cannot be pulled from ${registry.host}: there is no such image`)),
    });
    expect(await runtime.identify(wanted(name, { pull: 'always' }))).toBeNull();
  });

  test('with a wrong password, or with none, image and registry are named, and where to set it', async () => {
    const short = repository();
    await registry.publish(`${short}:v1`);
    const name = `${registry.host}/${short}:v1`;
    const wrong = { registries: { [registry.host]: { username: USER.username, passwordFile: join(folder, 'wrong') } } };
    for (const [registryAuth, hint] of [
      [wrong, 'refuses the credentials'],
      [null, 'wants to know who asks'],
    ] as const) {
      await expect(prepare(wanted(name), bench.newRuntime({ registryAuth }))).rejects.toMatchObject({
        code: 'image-unavailable',
        message: expect.stringContaining(`${name} cannot be pulled from ${registry.host}: `),
        hint: expect.stringContaining(hint),
      });
    }
    const lost = { registries: { [registry.host]: { username: USER.username, passwordFile: '/nowhere' } } };
    await expect(prepare(wanted(name), bench.newRuntime({ registryAuth: lost }))).rejects.toThrow(
      '/nowhere, which tells the password',
    );
    expect(await imageId(name)).toBeNull();
  });

  test('an error in the middle of a pull is an error', async () => {
    const short = repository();
    // Random, so that it is the largest and does not shrink.
    await registry.publish(`${short}:v1`, randomBytes(300_000).toString('base64'));
    await registry.spoil();
    const name = `${registry.host}/${short}:v1`;
    await expect(prepare(wanted(name))).rejects.toMatchObject({
      code: 'image-unavailable',
      message: expect.stringContaining(`${name} cannot be pulled from ${registry.host}: `),
    });
    expect(await imageId(name)).toBeNull();
  });

  test('a pull that nobody wants any more is called off at once', async () => {
    const hanging = await hangingRegistry();
    try {
      const abort = new AbortController();
      const pull = runtime.prepare(wanted(`127.0.0.1:${(hanging.address() as AddressInfo).port}/x:v1`), () => {}, abort.signal);
      pull.catch(() => {});
      await eventually('the registry is asked', () => asked > 0);
      const begin = performance.now();
      abort.abort();
      await expect(pull).rejects.toMatchObject({ code: 'image-unavailable', message: expect.stringContaining('was called off') });
      expect(performance.now() - begin).toBeLessThan(500);
    } finally {
      hanging.closeAllConnections();
      hanging.close();
    }
  });

  test('a registry that hangs is not waited for to tell what a tag means', async () => {
    const hanging = await hangingRegistry();
    try {
      const begin = performance.now();
      const name = `127.0.0.1:${(hanging.address() as AddressInfo).port}/x:v1`;
      expect(await runtime.identify(wanted(name, { pull: 'always' }))).toBeNull();
      expect(performance.now() - begin).toBeLessThan(6000);
    } finally {
      hanging.closeAllConnections();
      hanging.close();
    }
  });

  test('those that nothing runs are removed with all their names, one in use stays with all of its own, and one that is gone is gone', async () => {
    const short = repository();
    await registry.publish(`${short}:v1`);
    const pin = await prepare(wanted(`${registry.host}/${short}:v1`));
    await docker.getImage(pin).tag({ repo: `${registry.host}/${short}`, tag: 'also' });
    const idle = await localImage();
    const used = await localImage();
    const dead = await docker.createContainer({ Image: used.name, Cmd: ['x'], Labels: { 'dev.turnout.test': network.name } });
    const twice = await localImage();
    const elsewhere = `turnout-test-elsewhere-${randomUUID().slice(0, 8)}`;
    local.push(`${elsewhere}:v1`);
    await docker.getImage(twice.name).tag({ repo: elsewhere, tag: 'v1' });
    const gone = `sha256:${'0'.repeat(64)}`;

    expect(await runtime.prune([pin, idle.id, used.id, twice.id, gone])).toEqual([pin, idle.id, gone]);
    expect(await imageId(`${registry.host}/${short}:also`)).toBeNull();
    expect(await imageId(idle.name)).toBeNull();
    expect(await imageId(used.name)).toBe(used.id);
    expect([await imageId(twice.name), await imageId(`${elsewhere}:v1`)]).toEqual([twice.id, twice.id]);
    await dead.remove();
    expect(await runtime.prune([used.id])).toEqual([used.id]);
  });

  test('a prune never takes the image of a running replica, whatever its names', async () => {
    const [repo, tag] = split(await fixtureImage());
    const replica = await bench.startReady();
    await docker.getImage(`${repo}:${tag}`).tag({ repo, tag: 'again' });
    const id = (await imageId(`${repo}:${tag}`))!;
    expect(await runtime.prune([id, `${repo}:again`])).toEqual([]);
    expect(await imageId(`${repo}:again`)).toBe(id);
    await docker.getImage(`${repo}:again`).remove();
    expect((await bench.inspect(replica)).State.Running).toBe(true);
    expect(SOCKET).toBe('/var/run/docker.sock');
  });

  let asked = 0;

  async function hangingRegistry(): Promise<Server> {
    asked = 0;
    const server = createServer(() => {
      asked += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }
});
