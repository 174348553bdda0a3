import type { Color, Route } from '../../njs/route.ts';
import type { Traffic } from '../gateway/gateway.ts';
import type { Deployment } from '../store/deployment.ts';
import type { ServiceRecord } from '../store/record.ts';
import { type Observed, replicasOf } from './observed.ts';

export interface ReplicaView {
  slot: number;
  address: string;
  id: string;
  health: 'starting' | 'healthy' | 'unhealthy' | 'dead';
}

export interface ColorView {
  release: string | null;
  ready: boolean;
  /** Null when the gateway does not answer. */
  inFlight: number | null;
  replicas: ReplicaView[];
}

/** `GET /v1/services/{s}`. */
export interface ServiceView {
  name: string;
  /** Null: nothing is live. */
  active: Color | null;
  /** 0: there is no route. */
  generation: number;
  weights: Route['weights'];
  paused: boolean;
  /** `unreachable`: what is said of the route is what was last known. */
  gateway: 'answering' | 'unreachable';
  colors: Record<Color, ColorView>;
  /** The running or the last one. */
  deployment: Deployment | null;
}

export function viewOf(name: string, observed: Observed, traffic: Traffic | null, record: ServiceRecord): ServiceView {
  const route = observed.route === 'unknown' ? null : observed.route;
  const believed = observed.route === 'unknown' ? record.flips.at(-1) : undefined;
  const active = route?.active ?? believed?.to ?? null;
  const all = (color: Color) => (believed?.to === color ? 100 : 0);
  return {
    name,
    active,
    generation: route?.generation ?? believed?.generation ?? 0,
    weights: route?.weights ?? { blue: all('blue'), green: all('green') },
    paused: route?.paused ?? false,
    gateway: observed.route === 'unknown' ? 'unreachable' : 'answering',
    colors: { blue: colorView('blue', observed, route, traffic), green: colorView('green', observed, route, traffic) },
    deployment: record.deployments.at(-1) ?? null,
  };
}

function colorView(color: Color, observed: Observed, route: Route | null, traffic: Traffic | null): ColorView {
  const replicas = replicasOf(observed, color);
  return {
    release: route?.colors[color].release ?? replicas[0]?.release ?? null,
    ready: route?.colors[color].ready ?? false,
    inFlight: traffic?.colors[color].inFlight ?? null,
    replicas: replicas
      .map(({ slot, address, id, alive, health }): ReplicaView => ({ slot, address, id, health: alive ? health.state : 'dead' }))
      .sort((a, b) => a.slot - b.slot),
  };
}
