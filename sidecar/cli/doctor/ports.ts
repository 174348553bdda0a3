import { createSocket } from 'node:dgram';
import { formatAddress } from '../../config/address.ts';
import type { Address, Config } from '../../config/config.ts';
import { gatewayFolder } from '../../gateway/install.ts';
import { findMembers, recordedMaster } from '../../gateway/processes.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { describeProcess, holders, inTheWay, type Listener, userName } from './listeners.ts';

/** gateway.listen: free, or held by our own gateway. */
export function checkGatewayPort(config: Config, all: Listener[]): Promise<Finding> {
  const folder = gatewayFolder(config.state);
  const members = findMembers(folder, recordedMaster(folder));
  return checkPort('gateway.listen', config.gateway.listen, members, 'the gateway of this state folder', all);
}

/** api.listen: free, or held by our own sidecar. */
export function checkApiPort(config: Config, sidecar: number | null, all: Listener[]): Promise<Finding> {
  const ours = sidecar === null ? [] : [sidecar];
  return checkPort('api.listen', config.api.listen, ours, 'the sidecar of this state folder', all);
}

async function checkPort(key: string, address: Address, ours: number[], owner: string, all: Listener[]): Promise<Finding> {
  const text = formatAddress(address);
  const taken = inTheWay(address, all);
  if (taken.length === 0) {
    const why = await unusable(address);
    if (why === null) return ok(key, `${text} is free`);
    return fail(key, `${text} cannot be listened on: ${why}`, REMEDIES[why] ?? `give ${key} another address in turnout.yaml`);
  }
  const pids = holders(taken);
  const strangers = pids.filter((pid) => !ours.includes(pid));
  if (pids.length > 0 && strangers.length === 0) return ok(key, `${text} is held by ${owner} (pid ${pids[0]})`);
  const elsewhere = `give ${key} another address in turnout.yaml`;
  if (strangers[0] !== undefined) {
    return fail(
      key,
      `${text} is held by another process: ${describeProcess(strangers[0])}`,
      `stop that process, or ${elsewhere}`,
    );
  }
  const user = userName(taken[0]!.uid);
  return warn(
    key,
    `${text} is held by a process of user ${user}, which this user may not look at`,
    `if it is not ours, ${elsewhere}; \`turnout doctor\` as ${user} or root tells`,
  );
}

const REMEDIES: Record<string, string> = {
  EACCES: 'choose a port from 1024 on, or allow this user lower ones: `sysctl net.ipv4.ip_unprivileged_port_start`',
  EADDRNOTAVAIL: 'this machine does not have that address: choose one that `ip addr` shows, or 0.0.0.0',
};

/** Whether this user may bind that address at all. Asked by UDP, so that for no moment anybody can connect to it. */
function unusable({ host, port }: Address): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
    const done = (why: string | null) => {
      socket.close();
      resolve(why);
    };
    // In use: by UDP, which is nothing to us.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EADDRINUSE' ? null : (error.code ?? error.message)),
    );
    socket.bind({ address: host, port, exclusive: true }, () => done(null));
  });
}
