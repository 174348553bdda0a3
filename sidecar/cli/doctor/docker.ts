import type { Config } from '../../config/config.ts';
import { formatSubnet } from '../../config/subnet.ts';
import { TurnoutError } from '../../errors.ts';
import { examineEngine } from '../../runtime/docker/index.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** The engine, and the network with its addresses; made by `up` itself where nobody else makes it. */
export async function checkDocker({ docker, gateway }: Config): Promise<Finding> {
  try {
    const { address, version, api } = await examineEngine(docker);
    const network = `network ${docker.network} with ${formatSubnet(docker.subnet)}`;
    return ok('docker', `${address}: engine ${version}, API ${api}; ${network}`);
  } catch (thrown) {
    const { message, hint } = TurnoutError.from(thrown);
    const made = gateway.managed && message.includes('does not exist');
    return made ? warn('docker', message, 'turnout up makes it') : fail('docker', message, hint);
  }
}
