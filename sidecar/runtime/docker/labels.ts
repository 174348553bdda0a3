import type { ReplicaSpec, Slot } from '../runtime.ts';

/** What a container carries so that it is found again, and known for what it is. */
export const LABEL = {
  service: 'dev.turnout.service',
  color: 'dev.turnout.color',
  slot: 'dev.turnout.slot',
  release: 'dev.turnout.release',
  deployment: 'dev.turnout.deployment',
  address: 'dev.turnout.address',
  /** Whose it is: the name of the network. */
  network: 'dev.turnout.network',
  /** Which attempt to start has made it. */
  attempt: 'dev.turnout.attempt',
  role: 'dev.turnout.role',
} as const;

export function containerName(network: string, { service, color, slot }: Slot): string {
  return `${network}-${service}-${color}-${slot}`;
}

export function labelsOf(network: string, spec: ReplicaSpec, attempt: string): Record<string, string> {
  return {
    [LABEL.service]: spec.service,
    [LABEL.color]: spec.color,
    [LABEL.slot]: String(spec.slot),
    [LABEL.release]: spec.release,
    [LABEL.deployment]: spec.deployment,
    [LABEL.address]: spec.address,
    [LABEL.network]: network,
    [LABEL.attempt]: attempt,
  };
}

/** Null when they are not those of a replica. */
export function readLabels(labels: Record<string, string>): (Slot & { release: string; deployment: string }) | null {
  const { [LABEL.service]: service, [LABEL.color]: color, [LABEL.slot]: slot, [LABEL.address]: address } = labels;
  const { [LABEL.release]: release, [LABEL.deployment]: deployment } = labels;
  if (!service || !slot || !/^[1-9]\d*$/.test(slot) || !address || release === undefined || !deployment) return null;
  if (color !== 'blue' && color !== 'green') return null;
  return { service, color, slot: Number(slot), address, release, deployment };
}
