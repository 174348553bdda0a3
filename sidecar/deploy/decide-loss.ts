import type { Running } from './case.ts';
import type { ObservedReplica } from './observed.ts';
import type { Step } from './step.ts';

/** A color that was healthy once and is not any more is not switched to. */
export function lostReplica(running: Running): Step | null {
  const { mine } = running;
  const gone = goneReplica(running);
  if (gone) return gone;
  const sick = mine.find((one) => one.health.state === 'unhealthy');
  if (!sick) return null;
  const message = `the replica in slot ${sick.slot} is not healthy any more; the last check: ${sick.health.last?.detail ?? 'none'}`;
  return { do: 'fail', reason: 'unhealthy', message, replica: sick.id };
}

/** Dead, or not even known any more: they were stopped together with a former sidecar. */
export function goneReplica({ deployment, mine }: Running): Step | null {
  const dead = mine.find((one) => !one.alive);
  if (dead) return exited(dead);
  const slot = deployment.slots.find((one) => !mine.some((replica) => replica.slot === one));
  if (slot === undefined) return null;
  return { do: 'fail', reason: 'replica-exited', message: `the replica in slot ${slot} does not run any more`, replica: null };
}

export function exited(replica: ObservedReplica): Step & { do: 'fail' } {
  const { slot, exit } = replica;
  const how = exit === null ? 'ended' : exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
  const last = replica.health.last ? `; the last check: ${replica.health.last.detail}` : '';
  return { do: 'fail', reason: 'replica-exited', message: `the replica in slot ${slot} ${how}${last}`, replica: replica.id };
}
