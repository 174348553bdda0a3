import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatSubnet } from '../../sidecar/config/subnet.ts';
import { buildImages } from '../support/compose.ts';
import { docker, engineMissing, TestNetwork } from '../support/docker.ts';
import { call } from '../support/http.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

/** `turnout up` on the host itself, with its own nginx beside it and the releases in containers: the other way in docs/docker.md. */
describe.skipIf(engineMissing() !== null)('turnout up on the host, releases in containers', () => {
  let turnout: Turnout;
  let network: TestNetwork;

  beforeEach(async () => {
    await buildImages();
    // Free a moment ago: from here on it is Turnout's to make.
    network = await TestNetwork.make();
    await network.remove();
    turnout = await Turnout.create({
      service: { command: null, image: 'turnout-example:{release}', pull: 'never', replicas: 2 },
      config: { runtime: 'docker', docker: { network: network.name, subnet: formatSubnet(network.subnet) } },
    });
  });

  afterEach(async () => {
    await turnout?.destroy();
    await network?.remove();
  });

  const networks = async () => (await docker.listNetworks()).filter((one) => one.Name === network.name);

  async function release(): Promise<string | undefined> {
    return (await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).headers['x-release'];
  }

  test('makes its network, deploys and rolls back, survives the sidecar, and leaves nothing at the end', {
    timeout: 120_000,
  }, async () => {
    expect(await networks()).toEqual([]);
    await turnout.up();
    await turnout.untilLive();
    expect([(await networks()).length, await release()]).toEqual([1, 'v1']);

    const deployed = await turnout.cli('deploy', '--release', 'v2');
    expect(deployed.code, deployed.stderr).toBe(0);
    expect(await release()).toBe('v2');
    expect((await turnout.cli('rollback')).code).toBe(0);
    expect(await release()).toBe('v1');

    const before = await turnout.view();
    await turnout.endSidecar('SIGKILL');
    expect(await release()).toBe('v1');
    await turnout.up();
    const after = await eventually('the replicas are known again', async () => {
      const view = await turnout.view();
      return view.colors.blue.replicas.every((one) => one.health === 'healthy') ? view : null;
    });
    const known = ({ generation, colors }: typeof before) => [
      generation,
      colors.blue.replicas.map(({ id, address }) => [id, address]),
    ];
    expect(known(after)).toEqual(known(before));

    const doctor = await turnout.cli('doctor');
    expect(doctor.code, doctor.stdout).toBe(0);
    expect(doctor.stdout).toMatch(/^docker +ok +unix:/m);

    expect(await turnout.endSidecar('SIGTERM')).toBe(0);
    expect([await network.containers(), await networks()]).toEqual([[], []]);
  });
});
