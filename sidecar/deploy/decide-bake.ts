import { type Counts, convict, total } from '../../njs/conviction.ts';
import { otherColor } from '../../njs/route.ts';
import { since } from '../watch/counts.ts';
import type { Running } from './case.ts';
import { endedByGuard, isGuarded } from './decide-guard.ts';
import { exited } from './decide-loss.ts';
import { reseed, seed } from './decide-seed.ts';
import { isNamed, replicasOf, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

/** A color that has traffic is watched: it ends live, or traffic goes back first and the explanation follows. */
export function decideBake(running: Running): Step | null {
  const { route, record, color } = running;
  const { failing } = record.facts;
  // A release that cannot prove itself healthy within its bake gets no route back: the one before it does.
  if (route === null)
    return reseed(running) ?? (running.elapsed < running.config.bake.for ? null : seed(running, otherColor(color)));
  if (!takesTraffic(route, color)) return trafficLeft(running);
  if (failing) return moveBack(running, failing);
  const breach = findBreach(running);
  if (breach) return breach;
  if (!isGuarded(running, route)) return { do: 'guard', color };
  return running.elapsed < running.config.bake.for ? null : end(running);
}

function end(running: Running): Step {
  const { config, deployment, color } = running;
  const counts = countsOf(running);
  const finished = counts ? total(counts) : 0;
  const { minRequests, onInconclusive } = config.bake;
  const live = { do: 'enter' as const, phase: 'live' as const };
  if (finished >= minRequests)
    return { ...live, reason: 'baked', message: `${deployment.release} serves from ${color} and has passed its bake` };
  const few = `${finished} requests finished during the bake, fewer than ${minRequests}`;
  if (onInconclusive === 'rollback') return { do: 'fail', reason: 'inconclusive', message: few, replica: null };
  return {
    ...live,
    reason: 'baked',
    message: `${deployment.release} serves from ${color}; inconclusive: ${few}`,
    inconclusive: true,
  };
}

/** What the new color has answered since the switch; null while nobody knows where to count from, which convicts nobody. */
function countsOf({ observed, record, color }: Running): Counts | null {
  const { switched } = record.facts;
  return switched && observed.traffic ? since(switched, observed.traffic)[color] : null;
}

/** Traffic is on the other color: by our own move back, or by hand. */
function trafficLeft({ route, observed, record, deployment }: Running): Step {
  const { failing } = record.facts;
  const guarded = endedByGuard(observed, deployment);
  if (guarded) return guarded;
  const flip = record.flips.at(-1);
  const own = flip?.deployment === deployment.id;
  if (failing && own) return { do: 'enter', phase: 'rolled-back', ...failing };
  if (own)
    return {
      do: 'enter',
      phase: 'rolled-back',
      reason: 'unknown',
      message: 'traffic was moved back, but why was not written down',
    };
  const by = flip?.by ?? route?.changedBy ?? 'the gateway';
  const message = `traffic was switched back to ${route?.active ?? 'nowhere'} by ${by}`;
  return { do: 'enter', phase: 'superseded', reason: 'manual-flip', message };
}

function moveBack({ route, observed, color }: Running, failing: { reason: string; message: string }): Step {
  const old = otherColor(color);
  const runs = isNamed(route, old) && replicasOf(observed, old).some((one) => one.alive);
  if (runs) return { do: 'switch-back', color: old };
  const message = `${failing.message}; but ${old} does not run any more, so traffic stays on ${color}`;
  return { do: 'enter', phase: 'needs-operator', reason: failing.reason, message };
}

function findBreach(running: Running): Step | null {
  const { observed, config, mine } = running;
  const { maxRestarts } = config.bake;
  const dead = mine.find((one) => !one.alive);
  if (dead && observed.restarts >= maxRestarts) {
    const { message, replica } = exited(dead);
    return {
      do: 'fail',
      reason: 'restarts',
      message: `${message}; ${observed.restarts + 1} restarts, the limit is ${maxRestarts}`,
      replica,
    };
  }
  const sick = mine.find((one) => one.alive && one.health.state === 'unhealthy');
  if (sick) {
    const { failures } = config.health;
    const message = `the replica in slot ${sick.slot} failed ${failures} checks in a row; the last: ${sick.health.last?.detail ?? 'none'}`;
    return { do: 'fail', reason: 'unhealthy', message, replica: sick.id };
  }
  const counts = countsOf(running);
  const breach = (counts && convict(counts, config.bake)) ?? observed.bakeBreach;
  return breach ? { do: 'fail', ...breach, replica: null } : null;
}
