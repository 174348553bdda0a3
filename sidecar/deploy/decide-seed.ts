import type { Color } from '../../njs/route.ts';
import type { Known } from './case.ts';
import { reviveSlots } from './decide-healing.ts';
import { replicasOf } from './observed.ts';
import type { Step } from './step.ts';

/** The gateway has no route, but the journal remembers one: run that release again and, once it is healthy, say so. */
export function reseed(known: Known): Step | null {
  const last = known.record.flips.at(-1);
  if (known.route !== null || !last) return null;
  return reviveSlots(known, last.to, last.slots) ?? seed(known, last.to);
}

/** Gives the color its route back, if it had one and is just seen healthy. */
export function seed({ observed, record }: Known, color: Color): Step | null {
  const slots = record.flips.findLast((flip) => flip.to === color)?.slots ?? [];
  const replicas = replicasOf(observed, color).filter((one) => slots.includes(one.slot));
  const healthy = replicas.length > 0 && replicas.every((one) => one.alive && one.health.state === 'healthy');
  return healthy ? { do: 'seed', color } : null;
}
