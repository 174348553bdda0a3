import type { ContainerCreateOptions } from 'dockerode';

import type { ContainerSpec, ReplicaSpec } from '../runtime.ts';
import { containerName, labelsOf } from './labels.ts';
import { SECRETS_FOLDER } from './secrets.ts';

export interface Placed {
  /** Its name. */
  network: string;
  /** Two networks may share a name. */
  networkId: string;
  attempt: string;
}

export function containerOptions(spec: ReplicaSpec, container: ContainerSpec, { network, networkId, attempt }: Placed) {
  const [ip, port] = spec.address.split(':') as [string, string];
  const own = {
    PORT: port,
    TURNOUT_SERVICE: spec.service,
    TURNOUT_COLOR: spec.color,
    TURNOUT_RELEASE: spec.release,
    TURNOUT_SLOT: String(spec.slot),
  };
  const options: ContainerCreateOptions = {
    name: containerName(network, spec),
    Image: container.image,
    // The image's entry point stays, as it does for `command` in compose.
    ...(spec.command.length > 0 && { Cmd: spec.command }),
    ...(container.user !== null && { User: container.user }),
    Env: Object.entries({ ...spec.env, ...own }).map(([name, value]) => `${name}=${value}`),
    Labels: labelsOf(network, spec, attempt),
    StopSignal: spec.stop.signal,
    StopTimeout: Math.ceil(spec.stop.timeout / 1000),
    // Without a name: it goes with the container.
    ...(Object.keys(container.secrets).length > 0 && { Volumes: { [SECRETS_FOLDER]: {} } }),
    HostConfig: {
      NetworkMode: networkId,
      // Until it is kept: what fails its gate must not come back.
      RestartPolicy: { Name: 'no' },
      ...(container.cpus !== null && { NanoCpus: Math.round(container.cpus * 1e9) }),
      // The same for both: no swap beyond.
      ...(container.memory !== null && { Memory: container.memory, MemorySwap: container.memory }),
      Init: container.init,
      ReadonlyRootfs: container.readOnly,
      CapDrop: container.capDrop,
      Tmpfs: Object.fromEntries(container.tmpfs.map((path) => [path, ''])),
      Binds: container.volumes,
      LogConfig: {
        Type: 'json-file',
        Config: { 'max-size': String(container.log.maxSize), 'max-file': String(container.log.maxFiles) },
      },
    },
    NetworkingConfig: { EndpointsConfig: { [networkId]: { IPAMConfig: { IPv4Address: ip } } } },
  };
  return options;
}
