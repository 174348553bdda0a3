import { COLORS, type Color, otherColor } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import { hadTraffic } from '../store/deployment.ts';
import { runningDeployment, type ServiceRecord } from '../store/record.ts';
import type { Known } from './case.ts';
import { decideDeployment } from './decide-deployment.ts';
import { heal, reviveSlots } from './decide-healing.ts';
import { retire } from './decide-retirement.ts';
import { reseed } from './decide-seed.ts';
import { isNamed, type Observed, replicasOf, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

/** Milliseconds after an end in which a restarted sidecar still runs the hook that was due. */
const HOOK_LATE = 600_000;

/**
 * What to do next for one service, or null when there is nothing to do now. Pure: a restarted sidecar observes, calls
 * it again and goes on where the last one died.
 */
export function decide(observed: Observed, record: ServiceRecord, config: ServiceConfig, now: number): Step | null {
  // Whatever is done without knowing where traffic goes could be done to the color that has it.
  if (observed.route === 'unknown') return null;
  const known: Known = { observed, record, config, now, route: observed.route };
  const deployment = runningDeployment(record);
  // The journal's word counts only while the gateway has none; then nothing that may have served goes away.
  if (!deployment && known.route === null && record.flips.length > 0) return reseed(known);
  if (!deployment) return first(COLORS, (color) => decideColor(known, color)) ?? hookAfterEnd(known);
  const { color } = deployment;
  // What serves beside the deployment comes first: a deployment can wait, a request cannot.
  return (
    decideOther(known, otherColor(color), hadTraffic(deployment.phase) || takesTraffic(known.route, color)) ??
    decideDeployment(known, deployment) ??
    (known.route && takesTraffic(known.route, color) ? heal(known, known.route, color) : null)
  );
}

function first<T>(items: readonly T[], of: (item: T) => Step | null): Step | null {
  for (const item of items) {
    const step = of(item);
    if (step) return step;
  }
  return null;
}

function decideColor(known: Known, color: Color): Step | null {
  const { route } = known;
  return (route && takesTraffic(route, color) ? heal(known, route, color) : retireIdle(known, color)) ?? keep(known, color);
}

/**
 * What has passed everything, the runtime may bring back by itself: after a reboot, or while the sidecar is dead. Not
 * before: a release on trial that dies shall be seen dead.
 */
function keep({ observed, route, record }: Known, color: Color): Step | null {
  if (!isNamed(route, color) || record.retiringSince[color] !== null) return null;
  const replicas = replicasOf(observed, color).filter((one) => one.alive && one.kept === false);
  return replicas.length === 0 ? null : { do: 'keep', color, replicas: replicas.map((one) => one.id) };
}

/** The color beside a running deployment: it serves, or it is what a bake goes back to and must not go away. */
function decideOther(known: Known, color: Color, traffic: boolean): Step | null {
  const { route } = known;
  if (route && takesTraffic(route, color)) return heal(known, route, color);
  if (route === null && known.record.flips.at(-1)?.to === color) return reseed(known);
  if (!traffic) return retireIdle(known, color);
  return isNamed(route, color) && route ? reviveSlots(known, color, route.colors[color].slots) : null;
}

/** Without traffic a color that is ready stays warm for `keep`; then, or at once if it is not, it drains and goes. */
function retireIdle(known: Known, color: Color): Step | null {
  const { observed, record, config, now, route } = known;
  const replicas = replicasOf(observed, color);
  if (replicas.length === 0 && !isNamed(route, color)) return null;
  if (!replicas.some((one) => one.alive)) {
    return isNamed(route, color) ? { do: 'clear', color } : { do: 'stop', color, replicas: replicas.map((one) => one.id) };
  }
  const idleSince = record.idleSince[color];
  const warm = route?.colors[color].ready && record.retiringSince[color] === null;
  const kept = warm && idleSince !== null && now - idleSince < config.keep;
  return kept ? null : retire(known, color, warm ? 'keep is over' : 'it is not ready');
}

/** What the user wants run once a deployment has ended; nobody waits for it. */
function hookAfterEnd({ record, config, observed, now }: Known): Step | null {
  const last = record.deployments.at(-1);
  const hook = last?.phase === 'live' ? 'afterLive' : last?.phase === 'rolled-back' ? 'afterRollback' : null;
  if (
    observed.busy !== null ||
    hook === null ||
    now - record.phaseSince > HOOK_LATE ||
    config.hooks[hook] === null ||
    record.facts.hooks[hook] !== undefined
  )
    return null;
  return { do: 'hook', hook };
}
