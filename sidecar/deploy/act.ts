import { type Color, otherColor, type Route, type RouteColor, upstreamName } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import type { ServiceConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { Gateway, RouteChange } from '../gateway/gateway.ts';
import { judge } from '../health/verdict.ts';
import type { ReplicaSpec, Runtime } from '../runtime/runtime.ts';
import type { Deployment } from '../store/deployment.ts';
import type { ServiceRecord } from '../store/record.ts';
import { type Observed, takesTraffic } from './observed.ts';
import type { Step } from './step.ts';

export interface Ports {
  gateway: Gateway;
  runtime: Runtime;
  clock: Clock;
  /** The fixed address of a slot. */
  addressOf(service: string, color: Color, slot: number): string;
}

export type Effect = Exclude<Step, { do: 'enter' } | { do: 'fail' }>;

/** What a step is done with: the snapshot that it was decided on. */
export interface Situation {
  config: ServiceConfig;
  observed: Observed;
  record: ServiceRecord;
  deployment: Deployment | null;
}

const EMPTY: RouteColor = { slots: [], release: null, ready: false };

/** Performs one effect. Every write of the route names the generation it was decided on, so a hand that was faster wins. */
export async function act(step: Effect, { config, observed, record, deployment }: Situation, ports: Ports): Promise<void> {
  const route = observed.route === 'unknown' ? null : observed.route;
  const by = deployment ? `deployment ${deployment.id}` : 'sidecar';
  const put = (change: RouteChange) => ports.gateway.put(config.name, change, { ifMatch: route?.generation ?? 0, by });
  const running = (): Deployment => {
    if (!deployment) throw new TurnoutError('internal', `${step.do} without a running deployment`);
    return deployment;
  };
  switch (step.do) {
    case 'start': {
      const specs = step.slots.map((slot) => specOf(config, step.color, slot, running().release, running().id, ports));
      await allOrFirstError(specs.map((spec) => ports.runtime.start(spec)));
      return;
    }
    case 'revive': {
      const dead = observed.replicas.filter((one) => one.color === step.color && one.slot === step.slot);
      for (const replica of dead) await ports.runtime.stop(replica, config.stop);
      const { release, id } = lastIn(record, step.color, route);
      await ports.runtime.start(specOf(config, step.color, step.slot, release, id, ports));
      return;
    }
    case 'register': {
      if (!route) return;
      const { slots, release } = running();
      await put(withColor(route, step.color, { slots, release, ready: false }));
      return;
    }
    case 'prove':
      await prove(step.color, running().slots, config, ports);
      return;
    case 'switch': {
      const { slots, release } = running();
      await put(allTo(step.color, route, { slots, release, ready: true }));
      return;
    }
    case 'seed': {
      const last = record.flips.at(-1);
      if (last) await put(allTo(step.color, null, { slots: last.slots, release: last.release, ready: true }));
      return;
    }
    case 'retire':
      if (route?.colors[step.color].ready) await put(withColor(route, step.color, { ...route.colors[step.color], ready: false }));
      return;
    case 'clear':
      if (route) await put(withColor(route, step.color, EMPTY));
      return;
    case 'stop': {
      // The last look: whatever was believed before, a color with traffic is never stopped.
      const present = await ports.gateway.route(config.name);
      if (takesTraffic(present, step.color) || (present?.colors[step.color].slots.length ?? 0) > 0) {
        throw new TurnoutError('route-changed', `the route names ${step.color} again`);
      }
      const going = observed.replicas.filter((one) => step.replicas.includes(one.id));
      await allOrFirstError(going.map((replica) => ports.runtime.stop(replica, config.stop)));
      return;
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

/** Which release, by which deployment, last ran in this color. */
function lastIn(record: ServiceRecord, color: Color, route: Route | null): { release: string; id: string } {
  const release = route?.colors[color].release ?? record.flips.findLast((flip) => flip.to === color)?.release;
  if (!release) throw new TurnoutError('internal', `nobody knows which release ran in ${color} of ${record.service}`);
  const by = record.deployments.findLast((one) => one.color === color && one.release === release);
  return { release, id: by?.id ?? 'unknown' };
}

function specOf(
  config: ServiceConfig,
  color: Color,
  slot: number,
  release: string,
  deployment: string,
  ports: Ports,
): ReplicaSpec {
  const fill = (text: string) => text.replaceAll('{release}', release);
  return {
    service: config.name,
    color,
    slot,
    address: ports.addressOf(config.name, color, slot),
    release,
    deployment,
    command: config.command.map(fill),
    cwd: fill(config.cwd),
    env: Object.fromEntries(Object.entries(config.env).map(([name, value]) => [name, fill(value)])),
  };
}

/** One request for each replica through nginx itself: its failure marks, its connections. */
async function prove(color: Color, slots: number[], config: ServiceConfig, ports: Ports): Promise<void> {
  const upstream = upstreamName(config.name, color, slots);
  for (let asked = 0; asked < slots.length; asked++) {
    const { path, timeout, expect } = config.health;
    const answer = await ports.gateway.probe(upstream, path, timeout);
    const verdict = judge(`GET ${path} through nginx to ${upstream}`, answer.status, answer.body, expect);
    if (!verdict.ok) throw new TurnoutError('gateway-unusable', verdict.detail);
  }
}

/** Waits for all, so that nothing goes on in the background, then rejects with the first error. */
async function allOrFirstError(work: Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}
