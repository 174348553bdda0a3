import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { automaticPart, formatSubnet } from '../../sidecar/config/subnet.ts';
import { ensureNetwork, removeNetwork } from '../../sidecar/runtime/docker/index.ts';
import { DockerBench, docker, engineMissing, freeSubnet, TestNetwork } from '../support/docker.ts';

describe.skipIf(engineMissing())('the network', () => {
  let network: TestNetwork;

  beforeEach(async () => {
    // For a name and a subnet that are free.
    network = await TestNetwork.make();
    await network.remove();
  });

  afterEach(async () => {
    await network.remove();
  });

  test('is made once, with our subnet, and its first quarter for the addresses that Docker chooses', async () => {
    expect(await ensureNetwork(network.config())).toBe(true);
    expect(await ensureNetwork(network.config())).toBe(false);
    const found = await docker.listNetworks({ filters: { name: [network.name] } });
    expect(found).toMatchObject([
      {
        Driver: 'bridge',
        Labels: { 'dev.turnout.network': network.name },
        IPAM: {
          Config: [
            {
              Subnet: formatSubnet(network.subnet),
              IPRange: formatSubnet(automaticPart(network.subnet)),
              Gateway: network.subnet.address.replace(/0$/, '1'),
            },
          ],
        },
      },
    ]);
    await removeNetwork(network.config());
    await removeNetwork(network.config());
    await expect(docker.getNetwork(network.name).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('of another subnet is refused, naming both and how to remove it', async () => {
    await ensureNetwork(network.config());
    const subnet = freeSubnet();
    await expect(ensureNetwork(network.config({ subnet: { ...subnet, bits: 25 } }))).rejects.toMatchObject({
      code: 'runtime-unusable',
      message: `The Docker network ${network.name} has ${formatSubnet(network.subnet)}, and docker.subnet is ${subnet.address}/25`,
      hint: expect.stringContaining(`docker network rm ${network.name}`),
    });
  });

  test('whose addresses overlap with another one is refused in the words of Docker', async () => {
    await ensureNetwork(network.config());
    const other = new TestNetwork(`${network.name}-other`, network.subnet);
    await expect(ensureNetwork(other.config())).rejects.toThrow(/cannot be made: .*overlaps/);
  });

  test('that is not ours, or that a container is on, stays', async () => {
    await network.create();
    await removeNetwork(network.config());
    expect((await docker.getNetwork(network.name).inspect()).Name).toBe(network.name);
    await network.remove();
    await ensureNetwork(network.config());
    const bench = await DockerBench.make(network);
    await bench.startReady();
    await removeNetwork(network.config());
    expect((await docker.getNetwork(network.name).inspect()).Name).toBe(network.name);
    await bench.close();
  });

  test('cannot be asked for when there is no engine', async () => {
    await removeNetwork(network.config({ socket: '/nowhere' }));
    await expect(ensureNetwork(network.config({ socket: '/nowhere' }))).rejects.toMatchObject({ code: 'runtime-unusable' });
  });
});
