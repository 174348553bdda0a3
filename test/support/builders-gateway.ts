import type { Guard } from '../../njs/guard.ts';
import { type Color, otherColor, type Route } from '../../njs/route.ts';
import type { Traffic } from '../../njs/traffic.ts';
import { TurnoutError } from '../../sidecar/errors.ts';
import type { Gateway, ProbeAnswer, RouteChange } from '../../sidecar/gateway/gateway.ts';

type By = { by: string; force?: boolean };

/** A gateway in memory: one route, held to If-Match, and everything that was written to it. */
export class FakeGateway implements Gateway {
  readonly puts: (RouteChange & By)[] = [];
  readonly probed: { upstream: string; path: string }[] = [];
  /** Does not answer while set. */
  silent = false;
  inFlight: Record<Color, number> = { blue: 0, green: 0 };
  armed: Guard | null = null;
  probeAnswer: ProbeAnswer = { status: 200, body: '{}' };

  constructor(public held: Route | null = null) {}

  async route(): Promise<Route | null> {
    this.answer();
    return this.held;
  }

  async routes(): Promise<Route[]> {
    this.answer();
    return this.held ? [this.held] : [];
  }

  async put(service: string, change: RouteChange, { ifMatch, by, force = false }: { ifMatch: number } & By): Promise<Route> {
    this.answer();
    const generation = this.held?.generation ?? 0;
    if (ifMatch !== generation)
      throw new TurnoutError('route-changed', `If-Match is ${ifMatch}, the generation is ${generation}`);
    this.puts.push({ ...change, by, force });
    return this.become(service, change, by);
  }

  async switch(service: string, color: Color, { force, by }: { force: boolean } & By): Promise<Route> {
    this.answer();
    const route = this.held;
    if (!route) throw new TurnoutError('no-route', 'there is none');
    if (route.active === color) return route;
    const { slots, ready } = route.colors[color];
    if (slots.length === 0 || !(ready || force)) throw new TurnoutError('not-ready', `${color} is not ready`);
    const weights = { [color]: 100, [otherColor(color)]: 0 } as Route['weights'];
    return this.become(service, { active: color, weights, colors: route.colors }, by);
  }

  async arm(guard: Omit<Guard, 'fired'>): Promise<void> {
    this.answer();
    this.armed = { ...guard, fired: null };
  }

  async guard(): Promise<Guard | null> {
    this.answer();
    return this.armed;
  }

  async disarm(): Promise<void> {
    this.answer();
    this.armed = null;
  }

  async traffic(service: string): Promise<Traffic> {
    this.answer();
    return traffic(this.inFlight, service);
  }

  async traffics(): Promise<Traffic[]> {
    return [await this.traffic('backend')];
  }

  async probe(upstream: string, path: string): Promise<ProbeAnswer> {
    this.probed.push({ upstream, path });
    return this.probeAnswer;
  }

  async forget(): Promise<void> {
    this.answer();
    this.held = null;
  }

  private become(service: string, { active, weights, colors }: RouteChange, by: string): Route {
    const generation = (this.held?.generation ?? 0) + 1;
    const changed = { changedBy: by, changedAt: '2026-01-01T00:00:00.000Z' };
    this.held = { service, generation, active, weights, colors, paused: false, ...changed };
    return this.held;
  }

  private answer(): void {
    if (this.silent) throw new TurnoutError('gateway-unusable', 'the gateway did not answer');
  }
}

/** Nothing was ever counted but what is in flight. */
export function traffic(inFlight: Record<Color, number>, service = 'backend'): Traffic {
  const counted = (color: Color) => {
    return { inFlight: inFlight[color], started: 0, finished: {}, durations: [], failedOver: 0, inFlightBySet: {} };
  };
  return { service, epoch: 'first', buckets: [], colors: { blue: counted('blue'), green: counted('green') } };
}
