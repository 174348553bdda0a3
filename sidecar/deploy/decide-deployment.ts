import type { Color, Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Deployment } from '../store/deployment.ts';
import type { ServiceRecord } from '../store/record.ts';
import { retire } from './decide-retirement.ts';
import { type Observed, type ObservedReplica, replicasOf, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

/** Milliseconds that a switch may fail to be written before the deployment gives up. */
const SWITCH_LIMIT = 30_000;

/** The next step of a running deployment. */
export function decideDeployment(
  deployment: Deployment,
  route: Route | null,
  observed: Observed,
  record: ServiceRecord,
  config: ServiceConfig,
  now: number,
): Step | null {
  const { color, slots } = deployment;
  const inColor = replicasOf(observed, color);
  const mine = inColor.filter((one) => one.deployment === deployment.id);
  if (takesTraffic(route, color)) return trafficCame(deployment, route as Route, mine);
  if (record.failing) return undo(record.failing, route, color, mine);
  switch (deployment.phase) {
    case 'starting': {
      const occupied = inColor.length > mine.length || (mine.length === 0 && named(route, color));
      if (occupied) return evict(route, observed, record, config, now, color);
      const missing = slots.filter((slot) => !mine.some((one) => one.slot === slot));
      if (missing.length > 0) return { do: 'start', color, slots: missing };
      if (route !== null && !named(route, color)) return { do: 'register', color };
      return { do: 'enter', phase: 'gating', reason: 'started', message: `${slots.length} started, waiting for health` };
    }
    case 'gating':
      return gate(observed, config, mine, color, now - record.phaseSince);
    case 'switching': {
      const dead = mine.find((one) => !one.alive);
      if (dead) return exited(dead);
      if (now - record.phaseSince < SWITCH_LIMIT) return { do: 'switch', color };
      return {
        do: 'fail',
        reason: 'switch-timeout',
        message: `the route could not be written for ${SWITCH_LIMIT} ms`,
        replica: null,
      };
    }
    default:
      return null;
  }
}

/** The color has traffic: by our own switch, or by a hand that was faster. */
function trafficCame(deployment: Deployment, route: Route, mine: ObservedReplica[]): Step {
  const { phase, color, release } = deployment;
  if (mine.length === 0) {
    return {
      do: 'enter',
      phase: 'superseded',
      reason: 'manual-flip',
      message: `traffic was switched to ${color} by ${route.changedBy}`,
    };
  }
  if (phase === 'switching')
    return { do: 'enter', phase: 'live', reason: 'switched', message: `${release} serves from ${color}` };
  const message = `${color} was forced to serve ${release} by ${route.changedBy}; the remaining checks were skipped`;
  return { do: 'enter', phase: 'live', reason: 'manual-flip', message };
}

/** Whoever lives in the color goes first: at once, but drained. */
function evict(
  route: Route | null,
  observed: Observed,
  record: ServiceRecord,
  config: ServiceConfig,
  now: number,
  color: Color,
): Step | null {
  const living = replicasOf(observed, color).some((one) => one.alive);
  if (living) return retire(route, observed, record, config, now, color, 'a new deployment takes its place');
  if (named(route, color)) return { do: 'clear', color };
  return { do: 'stop', color, replicas: replicasOf(observed, color).map((one) => one.id) };
}

function gate(observed: Observed, config: ServiceConfig, mine: ObservedReplica[], color: Color, elapsed: number): Step | null {
  const dead = mine.find((one) => !one.alive);
  if (dead) return exited(dead);
  const waiting = mine.find((one) => one.health.state !== 'healthy');
  if (!waiting && observed.proven) {
    return { do: 'enter', phase: 'switching', reason: 'healthy', message: 'every replica is healthy, also through nginx' };
  }
  const deadline = config.health.retries * config.health.interval;
  if (elapsed < deadline) return waiting ? null : { do: 'prove', color };
  const why = waiting ? (waiting.health.last?.detail ?? 'it was never asked') : `through nginx: ${observed.proofFailure}`;
  const message = `not healthy within ${deadline} ms (${config.health.retries} x ${config.health.interval} ms); the last check: ${why}`;
  return { do: 'fail', reason: 'unhealthy', message, replica: (waiting ?? mine[0])?.id ?? null };
}

function exited(replica: ObservedReplica): Step {
  const { slot, exit } = replica;
  const how = exit === null ? 'ended' : exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
  const last = replica.health.last ? `; the last check: ${replica.health.last.detail}` : '';
  return { do: 'fail', reason: 'replica-exited', message: `the replica in slot ${slot} ${how}${last}`, replica: replica.id };
}

/** Traffic was never touched: what was started is removed, and only then the deployment has failed. */
function undo(failing: { reason: string; message: string }, route: Route | null, color: Color, mine: ObservedReplica[]): Step {
  if (named(route, color)) return { do: 'clear', color };
  if (mine.length > 0) return { do: 'stop', color, replicas: mine.map((one) => one.id) };
  return { do: 'enter', phase: 'failed', ...failing };
}

function named(route: Route | null, color: Color): boolean {
  return route !== null && route.colors[color].slots.length > 0;
}
