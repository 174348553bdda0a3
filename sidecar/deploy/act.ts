import type { Guard } from '../../njs/guard.ts';
import { type Color, otherColor, type Route, type RouteColor } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import type { ServiceConfig } from '../config/config.ts';
import { fillRelease } from '../config/release.ts';
import { TurnoutError } from '../errors.ts';
import type { RouteChange } from '../gateway/gateway.ts';
import type { Replica, ReplicaSpec } from '../runtime/runtime.ts';
import type { Deployment } from '../store/deployment.ts';
import type { ServiceRecord } from '../store/record.ts';
import { isNamed, type Observed, takesTraffic } from './observed.ts';
import type { Ports } from './ports.ts';
import type { Step } from './step.ts';

/** Steps that change the world; the others only ask it, or only record. */
export type Effect = Exclude<Step, { do: 'enter' | 'fail' | 'hook' | 'prepare' | 'prove' | 'warm' | 'smoke' }>;

/** What a step is done with: the snapshot that it was decided on. */
export interface Situation {
  config: ServiceConfig;
  observed: Observed;
  record: ServiceRecord;
  deployment: Deployment | null;
}

const EMPTY: RouteColor = { slots: [], release: null, ready: false };

/**
 * Performs one effect. Every write of the route names the generation it was decided on, so a hand that was faster wins.
 * Answers the route that it wrote; null when it wrote none.
 */
export async function act(
  step: Effect,
  situation: Situation,
  ports: Pick<Ports, 'gateway' | 'runtime' | 'addressOf' | 'clock'>,
): Promise<Route | null> {
  const { config, observed, record, deployment } = situation;
  const route = observed.route === 'unknown' ? null : observed.route;
  const by = deployment ? `deployment ${deployment.id}` : 'sidecar';
  const put = (change: RouteChange, force = false) =>
    ports.gateway.put(config.name, change, { ifMatch: route?.generation ?? 0, by, force });
  const running = (): Deployment => {
    if (!deployment) throw new TurnoutError('internal', `${step.do} without a running deployment`);
    return deployment;
  };
  const specIn = (color: Color, slot: number, run: Run) =>
    specOf(config, color, slot, run, ports.addressOf(config.name, color, slot));
  const arm = async (generation: number) => {
    const guard = guardOf(running(), generation, situation, ports.clock);
    if (guard) await ports.gateway.arm(guard);
  };
  const ofSlot = (color: Color, slot: number) => observed.replicas.filter((one) => one.color === color && one.slot === slot);
  const stopAll = (replicas: Replica[]) => allOrFirstError(replicas.map((replica) => ports.runtime.stop(replica, config.stop)));
  switch (step.do) {
    case 'start': {
      const specs = step.slots.map((slot) => specIn(step.color, slot, running()));
      await allOrFirstError(specs.map((spec) => ports.runtime.start(spec)));
      return null;
    }
    case 'revive': {
      await stopAll(ofSlot(step.color, step.slot).filter((one) => !one.alive));
      await ports.runtime.start(specIn(step.color, step.slot, lastIn(record, step.color, route)));
      return null;
    }
    case 'keep':
      await allOrFirstError(
        observed.replicas.filter((one) => step.replicas.includes(one.id)).map((one) => ports.runtime.keep(one)),
      );
      return null;
    case 'register': {
      const { slots, release } = running();
      return route && put(withColor(route, step.color, { slots, release, ready: false }));
    }
    case 'reroute':
      return route && put(withColor(route, step.color, { ...route.colors[step.color], slots: step.slots }));
    case 'replace': {
      const present = await ports.gateway.route(config.name);
      if (present?.colors[step.color].slots.includes(step.slot)) {
        throw new TurnoutError('route-changed', `the route names slot ${step.slot} of ${step.color} again`);
      }
      await stopAll(ofSlot(step.color, step.slot));
      return null;
    }
    case 'ready':
      return route && put(withColor(route, step.color, { ...route.colors[step.color], ready: true }));
    case 'guard':
      await arm(route?.generation ?? 0);
      return null;
    case 'switch': {
      const { slots, release } = running();
      // Before the switch: a sidecar that dies right after it must leave nobody unwatched.
      if (config.bake.for > 0 && isNamed(route, otherColor(step.color))) await arm((route?.generation ?? 0) + 1);
      return put(allTo(step.color, route, { slots, release, ready: true }));
    }
    case 'switch-back': {
      if (!route) return null;
      const change = allTo(step.color, route, route.colors[step.color]);
      const lost = otherColor(step.color);
      // A full disk must not keep traffic on a bad release.
      return put({ ...change, colors: { ...change.colors, [lost]: { ...route.colors[lost], ready: false } } }, true);
    }
    case 'seed': {
      const last = record.flips.findLast((flip) => flip.to === step.color);
      return last ? put(allTo(step.color, null, { slots: last.slots, release: last.release, ready: true })) : null;
    }
    case 'retire':
      // Whoever is about to be stopped must not get traffic back.
      await ports.gateway.disarm(config.name);
      if (!route?.colors[step.color].ready) return null;
      return put(withColor(route, step.color, { ...route.colors[step.color], ready: false }), true);
    case 'clear':
      return route && put(withColor(route, step.color, EMPTY));
    case 'stop': {
      // The last look: whatever was believed before, a color with traffic is never stopped.
      const present = await ports.gateway.route(config.name);
      if (takesTraffic(present, step.color) || isNamed(present, step.color)) {
        throw new TurnoutError('route-changed', `the route names ${step.color} again`);
      }
      await stopAll(observed.replicas.filter((one) => step.replicas.includes(one.id)));
      return null;
    }
  }
}

function withColor(route: Route, color: Color, state: RouteColor): RouteChange {
  return { active: route.active, weights: route.weights, colors: { ...route.colors, [color]: state } };
}

function allTo(color: Color, route: Route | null, state: RouteColor): RouteChange {
  const other = route?.colors[otherColor(color)] ?? EMPTY;
  const weights = color === 'blue' ? { blue: 100, green: 0 } : { blue: 0, green: 100 };
  const colors = color === 'blue' ? { blue: state, green: other } : { blue: other, green: state };
  return { active: color, weights, colors };
}

/**
 * For the rest of the bake, counting from the switch; before it, from what was counted last. Null when nobody knows what was
 * counted: everything that the color ever answered would count.
 */
function guardOf(
  { id, color }: Deployment,
  generation: number,
  { config: { name, bake }, observed, record: { facts, phaseSince } }: Situation,
  clock: Clock,
): Omit<Guard, 'fired'> | null {
  const mark = facts.switched ?? observed.traffic;
  if (mark === null) return null;
  const left = facts.switched === null ? bake.for : bake.for - (clock.now() - phaseSince);
  const { minRequests, maxErrorRate, maxP99 } = bake;
  return {
    service: name,
    deployment: id,
    generation,
    color,
    fallback: otherColor(color),
    until: Math.round(clock.date().getTime() + Math.max(0, left)),
    limits: { minRequests, maxErrorRate, maxP99 },
    epoch: mark.epoch,
    baseline: mark.colors[color],
  };
}

/** Which release, by which deployment and of which image, last ran in this color. */
function lastIn(record: ServiceRecord, color: Color, route: Route | null): Run {
  const release = route?.colors[color].release ?? record.flips.findLast((flip) => flip.to === color)?.release;
  if (!release) throw new TurnoutError('internal', `nobody knows which release ran in ${color} of ${record.service}`);
  const by = record.deployments.findLast((one) => one.color === color && one.release === release);
  return { release, id: by?.id ?? 'unknown', digest: by?.digest ?? null };
}

/** What a replica is started for. */
type Run = Pick<Deployment, 'release' | 'id' | 'digest'>;

function specOf(config: ServiceConfig, color: Color, slot: number, { release, id, digest }: Run, address: string): ReplicaSpec {
  const fill = (text: string) => fillRelease(text, release);
  return {
    service: config.name,
    color,
    slot,
    address,
    release,
    deployment: id,
    command: config.command.map(fill),
    cwd: fill(config.cwd),
    env: Object.fromEntries(Object.entries(config.env).map(([name, value]) => [name, fill(value)])),
    stop: config.stop,
    container: digest === null ? null : { ...config.container, ...config.resources, image: digest, secrets: config.secrets },
  };
}

/** Waits for all, so that nothing goes on in the background, then rejects with the first error. */
async function allOrFirstError(work: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}
