import { afterEach, expect, test } from 'vitest';
import type { Deployment } from '../../sidecar/store/deployment.ts';
import { Compose } from '../support/compose.ts';
import { docker } from '../support/docker.ts';
import { call } from '../support/http.ts';

/** Milliseconds that Turnout may need beyond the container itself. */
const OURS = 1500;
const ROUNDS = 3;

let compose: Compose;

afterEach(async () => {
  await compose?.destroy();
});

/** From asking for as many containers as a deployment has until the application in each says that it is healthy, without Turnout. */
async function ownTime(): Promise<number> {
  return Math.max(...(await Promise.all([1, 2].map(oneAlone))));
}

async function oneAlone(number: number): Promise<number> {
  const running = await docker.getContainer(compose.replica('blue', 1)).inspect();
  const started = performance.now();
  const container = await docker.createContainer({
    name: `${compose.name}-alone-${number}`,
    Image: 'turnout-example:v2',
    Env: running.Config.Env,
    HostConfig: {
      NetworkMode: compose.name,
      Init: true,
      NanoCpus: running.HostConfig.NanoCpus,
      Memory: running.HostConfig.Memory,
    },
  });
  try {
    await container.start();
    const { NetworkSettings } = await container.inspect();
    const host = NetworkSettings.Networks[compose.name]?.IPAddress as string;
    for (;;) {
      const answer = await call({ host, port: 8000, method: 'GET', path: '/health' }).catch(() => null);
      if (answer?.status === 200) return performance.now() - started;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    await container.remove({ force: true, v: true });
  }
}

function phases({ startedAt, steps, receipt }: Deployment): string {
  const at = (time: string) => Date.parse(time) - Date.parse(startedAt);
  const begun = steps.map(({ phase, since }) => `${phase} at ${at(since)} ms`);
  return `${begun.join(', ')}; switched after ${receipt?.switchedAfterMs} ms`;
}

test('from accepted to switched takes at most 1.5 s more than the containers themselves need to be healthy', {
  timeout: 180_000,
}, async () => {
  compose = await Compose.start({ service: { bake: { for: '0s' }, replicas: 2 } });
  for (let round = 0; round < ROUNDS; round++) {
    const own = await ownTime();
    const { code, stdout, stderr } = await compose.cli('deploy', '--json', '--force', '--release', round % 2 === 0 ? 'v2' : 'v1');
    expect(code, stderr).toBe(0);
    const deployment = JSON.parse(stdout.trim().split('\n').at(-1) as string) as Deployment;
    const whole = deployment.receipt?.switchedAfterMs as number;
    console.log(`the containers themselves ${Math.round(own)} ms; ${phases(deployment)}`);
    expect(whole - own, phases(deployment)).toBeLessThanOrEqual(OURS);
  }
});

test('the same label with another image is another release, and the way back is to exactly the image before', {
  timeout: 120_000,
}, async () => {
  compose = await Compose.start({ service: { bake: { for: '0s' }, keep: '0s', image: 'turnout-example:{release}' } });
  const tag = `turnout-test-moving:${compose.name}`;
  const point = async (to: string) => expect((await compose.docker('tag', to, tag)).code).toBe(0);
  const deploy = () => compose.cli('deploy', '--release', 'moving', '--image', tag);
  try {
    await point('turnout-example:v1');
    expect((await deploy()).code).toBe(0);
    expect((await deploy()).stdout).toContain('nothing to do');
    await point('turnout-example:v2');
    const moved = await deploy();
    expect([moved.code, moved.stdout]).toEqual([0, expect.not.stringContaining('nothing to do')]);
    const [second, first] = await compose.deployments();
    expect(second?.digest).not.toBe(first?.digest);
    const { color } = second as Deployment;
    expect(await compose.inspect(compose.replica(color, 1), '{{.Image}}')).toBe(second?.digest);
    const back = await compose.cli('rollback');
    expect(back.code, back.stderr).toBe(0);
    const [third] = await compose.deployments();
    expect(third).toMatchObject({ release: 'moving', digest: first?.digest, phase: 'live' });
    expect(await compose.inspect(compose.replica((third as Deployment).color, 1), '{{.Image}}')).toBe(first?.digest);
  } finally {
    await compose.docker('rmi', tag);
  }
});
