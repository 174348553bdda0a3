import type { ContainerInspectInfo } from 'dockerode';

import type { Replica } from '../runtime.ts';
import { readLabels } from './labels.ts';

/** Of 64 digits; what `docker ps` shows, and all that names a container here. */
const SHORT = 12;
/** How the engine reports a SIGKILL, of a person or of a kernel without memory. */
const KILLED = 137;

/** Milliseconds by which the engine may be late to note that a program runs, which writes already. It lets more pass between two runs. */
const LATE = 100;

/** When what a replica writes begins, in milliseconds of the engine's clock. */
export function firstWords({ startedAt }: { startedAt: string }): number {
  return Date.parse(startedAt) - LATE;
}

export function shortId(container: string): string {
  return container.slice(0, SHORT);
}

/** A container may run many times, by its restart policy: each time is another replica. */
export function replicaId(container: string, startedAt: Date): string {
  return `${shortId(container)}-${startedAt.getTime().toString(36)}`;
}

/** Null when it is no id of a replica in a container. */
export function containerOf(replica: { id: string }): string | null {
  return /^([0-9a-f]{12})-[0-9a-z]+$/.exec(replica.id)?.[1] ?? null;
}

/** Null for a container that never ran or is none of a replica. */
export function toReplica({ Id, State, HostConfig, Config }: ContainerInspectInfo): Replica | null {
  const labels = readLabels(Config.Labels);
  const startedAt = new Date(State.StartedAt);
  if (!labels || State.Status === 'created' || !(startedAt.getTime() > 0)) return null;
  const alive = State.Status === 'running' || State.Status === 'paused';
  const policy = HostConfig.RestartPolicy?.Name;
  return {
    id: replicaId(Id, startedAt),
    ...labels,
    startedAt: startedAt.toISOString(),
    alive,
    exit: alive ? null : exitOf(State.ExitCode),
    kept: policy === 'unless-stopped' || policy === 'always',
  };
}

export function exitOf(code: number): NonNullable<Replica['exit']> {
  return { code, signal: code === KILLED ? 'SIGKILL' : null };
}
