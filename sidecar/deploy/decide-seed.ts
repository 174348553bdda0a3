import type { Known } from './case.ts';
import { reviveSlots } from './decide-healing.ts';
import { replicasOf } from './observed.ts';
import type { Step } from './step.ts';

/** The gateway has no route, but the journal remembers one: run that release again and, once it is healthy, say so. */
export function reseed(known: Known): Step | null {
  const { observed, record, route } = known;
  if (route !== null) return null;
  const last = record.flips.at(-1);
  if (!last) return null;
  const step = reviveSlots(known, last.to, last.slots);
  if (step) return step;
  const replicas = replicasOf(observed, last.to).filter((one) => last.slots.includes(one.slot));
  const healthy = replicas.length > 0 && replicas.every((one) => one.alive && one.health.state === 'healthy');
  return healthy ? { do: 'seed', color: last.to } : null;
}
