import type { Guard } from '../../njs/guard.ts';
import type { Color, Route } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import type { Conductor } from '../deploy/conductor.ts';
import type { ObservedReplica } from '../deploy/observed.ts';
import type { Gateway, Traffic } from '../gateway/gateway.ts';
import { type Deployment, hadTraffic } from '../store/deployment.ts';
import { runningDeployment } from '../store/record.ts';

/** Milliseconds that a scrape waits for the gateway or the runtime; what is not known by then is left out. */
const PATIENCE = 1000;

/** As much of a conductor as is read. */
export type Conducted = Pick<Conductor, 'name' | 'record' | 'durable' | 'replicas'>;
export type ReadGateway = Pick<Gateway, 'routes' | 'traffics' | 'guard'>;

/** What one scrape has found out about one service. */
export interface Reading {
  service: string;
  /** Null: it did not answer in time. */
  gateway: GatewayReading | null;
  /** Null: the runtime did not tell in time. */
  replicas: ObservedReplica[] | null;
  /** The one that is under way. */
  deployment: Deployment | null;
}

export interface GatewayReading {
  route: Route | null;
  traffic: Traffic;
  /** Null as well while there is nothing that it could watch: then it is not asked for. */
  guard: Guard | null;
}

/** One look at everything that the services' series are made of. Never rejects. */
export async function read(all: readonly Conducted[], gateway: ReadGateway, clock: Clock): Promise<Reading[]> {
  const [seen, replicas] = await Promise.all([
    inTime(Promise.all([gateway.routes(), gateway.traffics()]), clock),
    Promise.all(all.map((one) => inTime(one.replicas(), clock))),
  ]);
  const routes = new Map(seen?.[0].map((route) => [route.service, route]));
  const traffics = new Map(seen?.[1].map((traffic) => [traffic.service, traffic]));
  return Promise.all(
    all.map(async ({ name, record }, index): Promise<Reading> => {
      const deployment = runningDeployment(record);
      const traffic = traffics.get(name);
      const guarded = traffic && deployment !== null && hadTraffic(deployment.phase);
      const guard = guarded ? await inTime(gateway.guard(name), clock) : null;
      const found = traffic ? { route: routes.get(name) ?? null, traffic, guard } : null;
      return { service: name, gateway: found, replicas: replicas[index] ?? null, deployment };
    }),
  );
}

/** What the work comes to; null when it fails or takes too long. */
export async function inTime<T>(work: Promise<T>, clock: Clock): Promise<T | null> {
  const settled = new AbortController();
  try {
    return await Promise.race([work, clock.sleep(PATIENCE, settled.signal).then(() => null)]);
  } catch {
    return null;
  } finally {
    settled.abort();
  }
}

/** What a color runs: as the route names it, or, before that, what has been started there. */
export function releaseOf({ gateway, replicas }: Reading, color: Color): string | null {
  return gateway?.route?.colors[color].release ?? replicas?.find((one) => one.color === color)?.release ?? null;
}
