import { afterAll, beforeAll, describe } from 'vitest';

import { describeRuntime } from '../contract/runtime.ts';
import { DockerBench, engineMissing, TestNetwork } from '../support/docker.ts';

describe.skipIf(engineMissing())('with an engine', () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await TestNetwork.make();
  });

  afterAll(async () => {
    await network.remove();
  });

  describeRuntime('DockerRuntime', () => DockerBench.make(network));
});
