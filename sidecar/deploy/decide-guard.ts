import { otherColor, type Route } from '../../njs/route.ts';
import type { Deployment } from '../store/deployment.ts';
import type { Running } from './case.ts';
import { isNamed, type Observed } from './observed.ts';
import type { Step } from './step.ts';

/** The end of a deployment whose traffic the guard in the gateway has moved back, in whatever phase it was; null: it has not. */
export function endedByGuard({ guard, route }: Observed, deployment: Deployment): Step | null {
  if (guard?.deployment !== deployment.id || guard.fired === null || route === null || route === 'unknown') return null;
  if (route.active !== guard.fallback) return null;
  const { reason, message } = guard.fired;
  return { do: 'enter', phase: 'rolled-back', reason, message: `${message}; the guard moved traffic back` };
}

/** Also where there is nothing to guard: nobody to go back to, or nobody knows where to count from. */
export function isGuarded({ observed, record, color, config, elapsed }: Running, route: Route): boolean {
  if (!isNamed(route, otherColor(color)) || elapsed >= config.bake.for || record.facts.switched === null) return true;
  return observed.guard?.generation === route.generation;
}
