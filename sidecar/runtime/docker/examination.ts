import type { DockerConfig } from '../../config/config.ts';
import { Engine } from './engine.ts';
import { findNetwork } from './network.ts';

/** Looks whether the engine and the network are as replicas need them, and changes nothing. Rejects with `runtime-unusable`. */
export async function examineEngine(docker: DockerConfig): Promise<{ address: string; version: string; api: string }> {
  const engine = new Engine(docker);
  try {
    const said = await engine.ask('The version cannot be read', (client) => client.version());
    await findNetwork(engine, docker);
    return { address: engine.address, version: said.Version, api: said.ApiVersion };
  } finally {
    engine.close();
  }
}
