import { COLORS, type Color, type Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import { runningDeployment, type ServiceRecord } from '../store/record.ts';
import { decideDeployment } from './decide-deployment.ts';
import { retire } from './decide-retirement.ts';
import { type Observed, replicasOf, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

/**
 * What to do next for one service, or null when there is nothing to do now. Pure: a restarted sidecar observes, calls
 * it again and goes on where the last one died. `now` is on the clock of the record.
 */
export function decide(observed: Observed, record: ServiceRecord, config: ServiceConfig, now: number): Step | null {
  // Whatever is done without knowing where traffic goes could be done to the color that has it.
  if (observed.route === 'unknown') return null;
  const route = observed.route;
  const deployment = runningDeployment(record);
  if (deployment) {
    const step = decideDeployment(deployment, route, observed, record, config, now);
    if (step) return step;
  }
  if (route === null && !deployment) return reseed(observed, record);
  for (const color of COLORS) {
    if (color === deployment?.color) continue;
    const step = takesTraffic(route, color)
      ? revive(route as Route, observed, color)
      : retireIdle(route, observed, record, config, now, color);
    if (step) return step;
  }
  return null;
}

/** A color with traffic has a living replica in each of its slots, or soon will. */
function revive(route: Route, observed: Observed, color: Color): Step | null {
  return reviveSlots(observed, color, route.colors[color].slots);
}

function reviveSlots(observed: Observed, color: Color, slots: number[]): Step | null {
  const living = new Set(
    replicasOf(observed, color)
      .filter((one) => one.alive)
      .map((one) => one.slot),
  );
  const slot = slots.find((one) => !living.has(one) && !observed.resting.has(`${color}-${one}`));
  return slot === undefined ? null : { do: 'revive', color, slot };
}

/** Without traffic a color stays warm for `keep`, then it drains and goes. */
function retireIdle(
  route: Route | null,
  observed: Observed,
  record: ServiceRecord,
  config: ServiceConfig,
  now: number,
  color: Color,
): Step | null {
  const replicas = replicasOf(observed, color);
  const named = route !== null && route.colors[color].slots.length > 0;
  if (replicas.length === 0 && !named) return null;
  if (!replicas.some((one) => one.alive)) {
    return named ? { do: 'clear', color } : { do: 'stop', color, replicas: replicas.map((one) => one.id) };
  }
  const idleSince = record.idleSince[color];
  const kept = idleSince !== null && named && record.retiringSince[color] === null && now - idleSince < config.keep;
  return kept ? null : retire(route, observed, record, config, now, color, 'keep is over');
}

/** The gateway has no route, but the journal remembers one: run that release again and, once it is healthy, say so. */
function reseed(observed: Observed, record: ServiceRecord): Step | null {
  const last = record.flips.at(-1);
  if (!last) return null;
  const step = reviveSlots(observed, last.to, last.slots);
  if (step) return step;
  const replicas = replicasOf(observed, last.to).filter((one) => last.slots.includes(one.slot));
  return replicas.every((one) => one.health.state === 'healthy') ? { do: 'seed', color: last.to } : null;
}
