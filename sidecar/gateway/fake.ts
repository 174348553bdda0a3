import type { Answer } from '../../njs/answer.ts';
import { change, switchTo } from '../../njs/change.ts';
import { breach, type Guard, guardProblem, movedBack, watches } from '../../njs/guard.ts';
import { type Color, type Route, slotSets, upstreamName } from '../../njs/route.ts';
import { BUCKETS, type ColorTraffic, type Traffic } from '../../njs/traffic.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type ErrorCode, TurnoutError } from '../errors.ts';
import type { Gateway, ProbeAnswer, RouteChange } from './gateway.ts';

/** A gateway in memory that decides about routes with the very code that nginx runs. */
export class FakeGateway implements Gateway {
  /** Does not answer while set. */
  silent = false;
  /** The disk takes no route file while set. */
  full = false;
  /** What asking an upstream through nginx comes to. */
  answer: (upstream: string, path: string) => ProbeAnswer = () => ({ status: 200, body: '{}' });
  /** Called after each change of a route, with the one before. */
  onChange: (route: Route, before: Route | null) => void = () => undefined;
  private readonly held = new Map<string, Route>();
  private readonly guards = new Map<string, Guard>();
  private readonly counted = new Map<string, Record<Color, ColorTraffic>>();
  private epoch = 1;

  constructor(
    private readonly services: string[],
    maxReplicas = 2,
    private readonly clock: Pick<Clock, 'date'> = systemClock,
  ) {
    const sets = Object.fromEntries(slotSets(maxReplicas).map((slots) => [slots.join('-'), true as const]));
    const all = Object.fromEntries(services.map((service) => [service, sets]));
    Object.assign(globalThis, { turnout_gateway: { routes: '', services: all } });
  }

  async route(service: string): Promise<Route | null> {
    this.answers();
    return this.held.get(service) ?? null;
  }

  async routes(): Promise<Route[]> {
    this.answers();
    return [...this.held.values()];
  }

  async put(service: string, wanted: RouteChange, options: { ifMatch: number; by: string; force?: boolean }): Promise<Route> {
    this.answers();
    const { active, weights, colors } = wanted;
    const body = { active, weights, colors, paused: false };
    const current = this.held.get(service) ?? null;
    const next = change(service, current, body, `"${options.ifMatch}"`, options.by, new Date(0).toISOString());
    return this.become(service, current, next, options.force ?? false);
  }

  async switch(service: string, color: Color, { force, by }: { force: boolean; by: string }): Promise<Route> {
    this.answers();
    const current = this.held.get(service);
    if (!current) throw new TurnoutError('no-route', `${service} has no route yet`);
    const next = switchTo(current, color, undefined, force, by, new Date(0).toISOString());
    return this.become(service, current, next, force);
  }

  async forget(service: string): Promise<void> {
    this.answers();
    this.held.delete(service);
  }

  async arm(guard: Omit<Guard, 'fired'>): Promise<void> {
    this.answers();
    const problem = guardProblem(guard);
    if (problem) throw new TurnoutError('invalid-body', problem);
    const present = this.guards.get(guard.service);
    if (present?.fired && present.deployment === guard.deployment) return;
    this.guards.set(guard.service, structuredClone({ ...guard, fired: null }));
  }

  async guard(service: string): Promise<Guard | null> {
    this.answers();
    return this.guards.get(service) ?? null;
  }

  async disarm(service: string): Promise<void> {
    this.answers();
    this.guards.delete(service);
  }

  async traffic(service: string): Promise<Traffic> {
    this.answers();
    return { service, epoch: String(this.epoch), buckets: BUCKETS, colors: structuredClone(this.countsOf(service)) };
  }

  async traffics(): Promise<Traffic[]> {
    return Promise.all(this.services.map((service) => this.traffic(service)));
  }

  async probe(upstream: string, path: string): Promise<ProbeAnswer> {
    this.answers();
    return this.answer(upstream, path);
  }

  /** So many requests have ended in whatever color has traffic. */
  finish(service: string, count: number, { failed = 0, bucket = 0 } = {}): void {
    const route = this.held.get(service);
    if (!route || this.silent) return;
    const counts = this.countsOf(service)[route.active];
    counts.started += count;
    counts.finished['2xx'] = (counts.finished['2xx'] ?? 0) + count - failed;
    counts.finished['5xx'] = (counts.finished['5xx'] ?? 0) + failed;
    counts.durations[bucket] = (counts.durations[bucket] ?? 0) + count;
    this.watch(service);
  }

  /** What every worker of nginx does a few times a second. */
  private watch(service: string): void {
    const guard = this.guards.get(service);
    const route = this.held.get(service) ?? null;
    if (!guard || !route || !watches(guard, route, this.clock.date().getTime())) return;
    const traffic = { service, epoch: String(this.epoch), buckets: BUCKETS, colors: this.countsOf(service) };
    const found = breach(guard, traffic);
    if (!found) return;
    const at = this.clock.date().toISOString();
    const moved = this.become(service, route, movedBack(guard, route, at), true);
    this.guards.set(service, { ...guard, fired: { ...found, at, generation: moved.generation } });
  }

  /** So many requests are in flight in a color, in the set that its route names now. */
  hold(service: string, color: Color, count: number): void {
    const counts = this.countsOf(service)[color];
    const slots = this.held.get(service)?.colors[color].slots ?? [];
    counts.inFlight = count;
    counts.inFlightBySet = count > 0 && slots.length > 0 ? { [slots.join('-')]: count } : {};
  }

  /** As if every process of nginx had been killed: the counters begin anew, the route comes back from its file, or not. */
  restart({ losing = false } = {}): void {
    this.epoch++;
    this.counted.clear();
    this.guards.clear();
    if (losing) this.held.clear();
  }

  /** The upstream that a request would go to; null: nobody serves. */
  upstream(service: string): string | null {
    const route = this.held.get(service);
    return route ? upstreamName(service, route.active, route.colors[route.active].slots) : null;
  }

  private become(service: string, current: Route | null, next: Route | Answer, force: boolean): Route {
    if ('status' in next) {
      if (next.status === 200) return next.body as Route;
      const { code, detail, hint } = next.body as { code: ErrorCode; detail: string; hint: string };
      throw new TurnoutError(code, detail, { hint });
    }
    if (this.full && !force) throw new TurnoutError('not-persisted', 'the route file cannot be written');
    const route = JSON.parse(
      JSON.stringify(this.full ? { ...next, persisted: false } : { ...next, persisted: undefined }),
    ) as Route;
    this.held.set(service, route);
    this.onChange(route, current);
    return route;
  }

  private countsOf(service: string): Record<Color, ColorTraffic> {
    const known = this.counted.get(service) ?? { blue: nothing(), green: nothing() };
    this.counted.set(service, known);
    return known;
  }

  private answers(): void {
    if (this.silent) throw new TurnoutError('gateway-unusable', 'the gateway did not answer');
  }
}

function nothing(): ColorTraffic {
  return { inFlight: 0, started: 0, finished: {}, durations: BUCKETS.map(() => 0).concat(0), failedOver: 0, inFlightBySet: {} };
}
