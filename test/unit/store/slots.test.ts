import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Slots } from '../../../sidecar/store/slots.ts';
import { config, type ServiceParts, serviceConfig } from '../../support/builders-config.ts';
import { freePort } from '../../support/processes.ts';
import { folderWith } from '../config/temp.ts';

let state: string;
let from: number;
const servers: Server[] = [];
beforeEach(async () => {
  state = await folderWith({});
  from = await freePort();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

function allocate(names: string[], parts: ServiceParts = {}, to = from + 99): Promise<Slots> {
  return Slots.allocate(config({ state, ports: { from, to }, services: names.map((name) => serviceConfig({ ...parts, name })) }));
}

/** All addresses of a service with two slots per color. */
function addresses(slots: Slots, name: string): string[] {
  return [1, 2].flatMap((slot) => [slots.address(name, 'blue', slot), slots.address(name, 'green', slot)]);
}

async function occupy(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  servers.push(server);
}

test('every slot of every color has an address of its own', async () => {
  const slots = await allocate(['backend', 'frontend']);
  const all = [...addresses(slots, 'backend'), ...addresses(slots, 'frontend')];
  expect(new Set(all).size).toBe(8);
  for (const address of all) expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
});

test('addresses are the same at the next start, also when somebody listens there by then', async () => {
  const before = addresses(await allocate(['backend']), 'backend');
  await occupy(Number(before[0]!.split(':')[1]));
  expect(addresses(await allocate(['backend']), 'backend')).toEqual(before);
});

test('a new service moves nobody, wherever it stands in the file', async () => {
  const before = addresses(await allocate(['backend']), 'backend');
  const slots = await allocate(['api', 'backend']);
  expect(addresses(slots, 'backend')).toEqual(before);
  expect(addresses(slots, 'api').filter((address) => before.includes(address))).toEqual([]);
});

test('more replicas move nobody, and fewer do not either', async () => {
  const before = addresses(await allocate(['backend']), 'backend');
  const grown = await allocate(['backend'], { maxReplicas: 4 });
  expect(addresses(grown, 'backend')).toEqual(before);
  expect(before).not.toContain(grown.address('backend', 'blue', 4));
  expect(addresses(await allocate(['backend'], { maxReplicas: 1 }), 'backend')).toEqual(before);
});

test('a port that is busy is skipped', async () => {
  await occupy(from);
  const slots = await allocate(['backend']);
  expect(addresses(slots, 'backend')).not.toContain(`127.0.0.1:${from}`);
});

test('a removed service frees its ports, and its name can come back', async () => {
  const before = addresses(await allocate(['backend', 'old']), 'old');
  await allocate(['backend']);
  const heir = addresses(await allocate(['backend', 'heir']), 'heir');
  expect(heir).toEqual(before);
  const slots = await allocate(['backend', 'heir', 'old']);
  expect(addresses(slots, 'old').filter((address) => heir.includes(address))).toEqual([]);
});

test('a range that is too small is refused with the range and the service, and nothing is kept', async () => {
  await expect(allocate(['backend', 'late'], {}, from + 5)).rejects.toMatchObject({
    code: 'config-invalid',
    message: `/srv/app/turnout.yaml: ports ${from}-${from + 5} has no free port left for late`,
  });
  await expect(readFile(join(state, 'slots.json'), 'utf8')).rejects.toThrow('ENOENT');
});

test('the last port of the range is given away too', async () => {
  // The four ports must be free in a row, which another program may prevent.
  for (let tries = 0; tries < 20; tries++) {
    const slots = await allocate(['backend'], {}, from + 3).catch(() => null);
    if (slots) return expect(addresses(slots, 'backend')).toContain(`127.0.0.1:${from + 3}`);
    from = await freePort();
  }
  expect.unreachable('the last port was never given away');
});

test.each(['', '{"backend":{"blue":', 'null', '{"backend":{}}'])(
  'a slots.json that holds %j is refused with its path, and left as it is',
  async (text) => {
    const file = join(state, 'slots.json');
    await writeFile(file, text);
    await expect(allocate(['backend'])).rejects.toMatchObject({ code: 'disk-unusable', message: expect.stringContaining(file) });
    expect(await readFile(file, 'utf8')).toBe(text);
  },
);

test('a slot that nobody has is a mistake that is told', async () => {
  const slots = await allocate(['backend']);
  expect(() => slots.address('backend', 'blue', 3)).toThrow('slot 3 of blue of backend was never allocated');
  expect(() => slots.address('other', 'blue', 1)).toThrow('slot 1 of blue of other was never allocated');
});

describe('of containers', () => {
  const subnet = { address: '10.9.8.0', bits: 26 };

  function inContainers(names: string[], parts: ServiceParts = {}, net = subnet): Promise<Slots> {
    const services = names.map((name) => serviceConfig({ ...parts, name, image: 'a' }));
    const { docker } = config();
    return Slots.allocate(config({ state, runtime: 'docker', docker: { ...docker, subnet: net }, services }));
  }

  test('the slots lie behind the quarter that Docker hands out by itself', async () => {
    const slots = await inContainers(['backend'], { port: 3000 });
    expect(addresses(slots, 'backend')).toEqual(['10.9.8.16:3000', '10.9.8.18:3000', '10.9.8.17:3000', '10.9.8.19:3000']);
  });

  test('a new service moves nobody; another port of the application moves no address', async () => {
    const before = addresses(await inContainers(['backend']), 'backend');
    const after = addresses(await inContainers(['api', 'backend'], { port: 81 }), 'backend');
    expect(after).toEqual(before.map((address) => address.replace(':8000', ':81')));
  });

  test('another subnet or another runtime gives every slot a new place', async () => {
    await inContainers(['backend']);
    const moved = await inContainers(['backend'], {}, { address: '10.1.0.0', bits: 24 });
    expect(moved.address('backend', 'blue', 1)).toBe('10.1.0.64:8000');
    expect((await allocate(['backend'])).address('backend', 'blue', 1)).toMatch(/^127\.0\.0\.1:/);
    expect((await inContainers(['backend'])).address('backend', 'blue', 1)).toBe('10.9.8.16:8000');
  });

  test('a subnet that is full says so', async () => {
    const tooMany = inContainers(['backend', 'api'], { maxReplicas: 12 });
    await expect(tooMany).rejects.toThrow(/the subnet 10\.9\.8\.0\/26 has no address left for api/);
  });
});
