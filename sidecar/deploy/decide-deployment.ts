import { otherColor } from '../../njs/route.ts';
import { type Deployment, hadTraffic } from '../store/deployment.ts';
import type { Known, Running } from './case.ts';
import { decideBake } from './decide-bake.ts';
import { endedByGuard } from './decide-guard.ts';
import { goneReplica, lostReplica } from './decide-loss.ts';
import { retire } from './decide-retirement.ts';
import { isNamed, replicasOf, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

/** Milliseconds that a switch may fail to be written before the deployment gives up. */
const SWITCH_LIMIT = 30_000;

/** The next step of a running deployment. */
export function decideDeployment(known: Known, deployment: Deployment): Step | null {
  const { color } = deployment;
  const mine = replicasOf(known.observed, color).filter((one) => one.deployment === deployment.id);
  const running: Running = { ...known, deployment, color, mine, elapsed: known.now - known.record.phaseSince };
  if (hadTraffic(deployment.phase)) return decideBake(running);
  if (takesTraffic(known.route, color)) return trafficCame(running);
  // It had traffic and lost it again before anybody looked.
  const guarded = endedByGuard(known.observed, deployment);
  if (guarded) return guarded;
  if (known.record.facts.failing) return undo(running, known.record.facts.failing);
  switch (deployment.phase) {
    case 'starting':
      return start(running);
    case 'gating':
      return gate(running);
    case 'warming':
      return warm(running);
    case 'waiting':
      return wait(running);
    case 'switching':
      return change(running);
    default:
      return null;
  }
}

/** The color has traffic: by our own switch, or by a hand that was faster. */
function trafficCame({ route, record, config, deployment, color, mine }: Running): Step {
  const { phase, release, id } = deployment;
  const flip = record.flips.at(-1);
  const by = (flip?.to === color ? flip.by : route?.changedBy) ?? 'somebody';
  if (mine.length === 0 || record.facts.failing) {
    return { do: 'enter', phase: 'superseded', reason: 'manual-flip', message: `traffic was switched to ${color} by ${by}` };
  }
  const own = flip?.to === color && flip.deployment === id;
  const checked = phase === 'waiting' || phase === 'switching';
  const why = checked ? `promoted by ${by}` : `${color} was forced to serve by ${by}; the remaining checks were skipped`;
  const reason = own ? 'switched' : 'manual-flip';
  const message = own ? `${release} serves from ${color}` : why;
  // A first release has nothing to return to.
  const bakes = config.bake.for > 0 && deployment.previous !== null && isNamed(route, otherColor(color));
  return { do: 'enter', phase: bakes ? 'baking' : 'live', reason, message };
}

function start(running: Running): Step | null {
  const { route, observed, deployment, color, mine } = running;
  // Before anybody has to go for it: an image that cannot be had must cost nothing.
  if (deployment.image !== null && !observed.trial.prepared) return observed.busy ? null : { do: 'prepare' };
  const strangers = replicasOf(observed, color).length > mine.length || (mine.length === 0 && isNamed(route, color));
  if (strangers) return evict(running);
  const missing = deployment.slots.filter((slot) => !mine.some((one) => one.slot === slot));
  if (missing.length > 0) return { do: 'start', color, slots: missing };
  if (route !== null && !isNamed(route, color)) return { do: 'register', color };
  return { do: 'enter', phase: 'gating', reason: 'started', message: `${mine.length} started, waiting for health` };
}

/** Whoever lives in the color goes first: at once, but drained. */
function evict(running: Running): Step | null {
  const { observed, route, color } = running;
  const replicas = replicasOf(observed, color);
  if (replicas.some((one) => one.alive)) return retire(running, color, 'a new deployment takes its place');
  if (isNamed(route, color)) return { do: 'clear', color };
  return { do: 'stop', color, replicas: replicas.map((one) => one.id) };
}

function gate(running: Running): Step | null {
  const { observed, config, mine, color, elapsed } = running;
  const gone = goneReplica(running);
  if (gone) return gone;
  const waiting = mine.find((one) => one.health.state !== 'healthy');
  if (!waiting && observed.trial.proven) {
    return { do: 'enter', phase: 'warming', reason: 'healthy', message: 'every replica is healthy, also through nginx' };
  }
  const { retries, interval } = config.health;
  const deadline = retries * interval;
  // Healthy replicas are asked through nginx at least once, however late they became so.
  if (elapsed < deadline || (!waiting && observed.trial.proofFailure === '')) {
    return waiting || observed.busy ? null : { do: 'prove', color };
  }
  const why = waiting ? (waiting.health.last?.detail ?? 'it was never asked') : `through nginx: ${observed.trial.proofFailure}`;
  const message = `not healthy within ${deadline} ms (${retries} x ${interval} ms); the last check: ${why}`;
  return { do: 'fail', reason: 'unhealthy', message, replica: (waiting ?? mine[0])?.id ?? null };
}

function warm(running: Running): Step | null {
  const { observed, route, config, deployment, color } = running;
  const lost = lostReplica(running);
  if (lost) return lost;
  if (observed.busy) return null;
  const { warmed, smoked, smokeFailure } = observed.trial;
  if (config.warm.length > 0 && !warmed) return { do: 'warm', color };
  if (smokeFailure !== null) return { do: 'fail', reason: 'smoke-failed', message: smokeFailure, replica: null };
  if (config.smoke.length > 0 && !smoked) return { do: 'smoke', color };
  if (route !== null && !route.colors[color].ready) return { do: 'ready', color };
  if (deployment.promote === 'auto')
    return { do: 'enter', phase: 'switching', reason: 'checked', message: 'every check has passed' };
  return {
    do: 'enter',
    phase: 'waiting',
    reason: 'promote-manual',
    message: `ready; waits for turnout promote ${deployment.service}`,
  };
}

function wait(running: Running): Step | null {
  const { record, config, elapsed } = running;
  const lost = lostReplica(running);
  if (lost) return lost;
  const { promotedBy } = record.facts;
  if (promotedBy !== null) return { do: 'enter', phase: 'switching', reason: 'promoted', message: `promoted by ${promotedBy}` };
  if (elapsed < config.promoteTimeout) return null;
  const message = `nobody promoted it within ${config.promoteTimeout} ms`;
  return { do: 'fail', reason: 'promote-timeout', message, replica: null };
}

function change(running: Running): Step | null {
  const { observed, record, config, color, elapsed } = running;
  const lost = lostReplica(running);
  if (lost) return lost;
  if (observed.busy) return null;
  const ran = record.facts.hooks.beforeSwitch;
  if (config.hooks.beforeSwitch && ran === undefined) return { do: 'hook', hook: 'beforeSwitch' };
  if (elapsed < SWITCH_LIMIT + (config.hooks.beforeSwitch?.timeout ?? 0)) return { do: 'switch', color };
  return {
    do: 'fail',
    reason: 'switch-timeout',
    message: `the route could not be written for ${SWITCH_LIMIT} ms`,
    replica: null,
  };
}

/** Traffic was never touched: what was started is removed, and only then the deployment has failed. */
function undo(running: Running, failing: { reason: string; message: string }): Step | null {
  const { route, observed, record, color, mine } = running;
  // It has not come so far as to take the color from whoever lives there: that one stays what it is.
  if (mine.length === 0 && replicasOf(observed, color).length > 0) return { do: 'enter', phase: 'failed', ...failing };
  // A hand was there and back between two looks: what it has sent here ends first.
  const visited = record.retiringSince[color] !== null || (observed.inFlight?.[color] ?? 0) > 0;
  if (visited && mine.some((one) => one.alive)) return retire(running, color, 'requests are in flight there');
  if (isNamed(route, color)) return { do: 'clear', color };
  if (mine.length > 0) return { do: 'stop', color, replicas: mine.map((one) => one.id) };
  return { do: 'enter', phase: 'failed', ...failing };
}
