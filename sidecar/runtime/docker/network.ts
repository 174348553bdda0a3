import type { NetworkInspectInfo } from 'dockerode';

import type { DockerConfig } from '../../config/config.ts';
import { addressAt, automaticPart, formatSubnet } from '../../config/subnet.ts';
import { TurnoutError } from '../../errors.ts';
import { Engine } from './engine.ts';
import { LABEL } from './labels.ts';

type NetworkConfig = Pick<DockerConfig, 'network' | 'subnet'>;

/** The network's id. Rejects when there is none of that name, or its addresses are not the ones that slots have. */
export async function findNetwork(engine: Engine, config: NetworkConfig): Promise<string> {
  const found = await inspectNetwork(engine, config.network);
  if (found) return requireSubnet(found, config);
  throw new TurnoutError('runtime-unusable', `The Docker network ${config.network} does not exist`, {
    hint: `\`turnout up\` makes it; by hand: ${creation(config)}`,
  });
}

/** For a host on which nothing else makes the network. Answers whether it has been made now. */
export async function ensureNetwork(docker: DockerConfig): Promise<boolean> {
  const engine = new Engine(docker);
  try {
    const found = await inspectNetwork(engine, docker.network);
    if (found) requireSubnet(found, docker);
    else await create(engine, docker);
    return !found;
  } finally {
    engine.close();
  }
}

/** Takes away what `ensureNetwork` has made and nothing uses. Where that fails it stays: it costs nothing. */
export async function removeNetwork(docker: DockerConfig): Promise<void> {
  const engine = new Engine(docker);
  try {
    const found = await inspectNetwork(engine, docker.network);
    if (found?.Labels?.[LABEL.network] !== docker.network || Object.keys(found.Containers ?? {}).length > 0) return;
    await engine.ask(`The network ${docker.network} cannot be removed`, (client) => client.getNetwork(found.Id).remove());
  } catch {
    // As promised.
  } finally {
    engine.close();
  }
}

async function create(engine: Engine, { network, subnet }: NetworkConfig): Promise<void> {
  const range = formatSubnet(automaticPart(subnet));
  await engine.ask(`The Docker network ${network} cannot be made`, (docker) =>
    docker.createNetwork({
      Name: network,
      // Or else there may be two of that name.
      CheckDuplicate: true,
      Driver: 'bridge',
      IPAM: { Driver: 'default', Config: [{ Subnet: formatSubnet(subnet), Gateway: addressAt(subnet, 1), IPRange: range }] },
      Labels: { [LABEL.network]: network },
    }),
  );
}

/** Which container has the address now; null: none that the network knows. */
export async function holderOf(engine: Engine, network: string, ip: string): Promise<string | null> {
  const found = await inspectNetwork(engine, network);
  const holder = Object.values(found?.Containers ?? {}).find(({ IPv4Address }) => IPv4Address.startsWith(`${ip}/`));
  return holder?.Name ?? null;
}

async function inspectNetwork(engine: Engine, network: string): Promise<NetworkInspectInfo | null> {
  return engine.find(`The Docker network ${network} cannot be inspected`, (docker) => docker.getNetwork(network).inspect());
}

function requireSubnet({ Id, IPAM }: NetworkInspectInfo, config: NetworkConfig): string {
  const wanted = formatSubnet(config.subnet);
  const subnets = (IPAM?.Config ?? []).map(({ Subnet }) => Subnet);
  if (subnets.includes(wanted)) return Id;
  const has = subnets.length > 0 ? subnets.join(', ') : 'no subnet of its own';
  throw new TurnoutError('runtime-unusable', `The Docker network ${config.network} has ${has}, and docker.subnet is ${wanted}`, {
    hint: `Set docker.subnet to what it has, or remove it (docker network rm ${config.network}), and it will be made anew.`,
  });
}

function creation({ network, subnet }: NetworkConfig): string {
  const range = formatSubnet(automaticPart(subnet));
  return `docker network create --subnet ${formatSubnet(subnet)} --gateway ${addressAt(subnet, 1)} --ip-range ${range} ${network}`;
}
