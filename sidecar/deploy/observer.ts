import { GUARD, type Guard } from '../../njs/guard.ts';
import { COLORS, type Color, type Route } from '../../njs/route.ts';
import type { Traffic } from '../../njs/traffic.ts';
import type { ServiceConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import { HealthWatches } from '../health/watch.ts';
import type { Replica } from '../runtime/runtime.ts';
import { type Deployment, hadTraffic } from '../store/deployment.ts';
import { runningDeployment, type ServiceRecord } from '../store/record.ts';
import { BakeWatch } from '../watch/bake-watch.ts';
import { markOf } from '../watch/counts.ts';
import { Drains } from './drain.ts';
import { type Observed, type ObservedReplica, slotKey, takesTraffic } from './observed.ts';
import type { Ports } from './ports.ts';
import { Revivals } from './revivals.ts';
import type { Tasks } from './tasks.ts';
import type { Trials } from './trial.ts';

/** Looks at the world for one service, and remembers what only time shows: health, drains, restarts, the bake. */
export class Observer {
  readonly revivals = new Revivals();
  private readonly watches: HealthWatches;
  private readonly drains = new Drains();
  /** When a living replica was first seen out of its color's route. */
  private readonly outSince = new Map<string, number>();
  private bake: { deployment: string; watch: BakeWatch } | null = null;

  constructor(
    private readonly config: () => ServiceConfig,
    private readonly record: ServiceRecord,
    private readonly ports: Ports,
    private readonly trials: Trials,
    private readonly tasks: Tasks,
    onChange: () => void,
  ) {
    this.watches = new HealthWatches(ports, onChange);
  }

  end(): void {
    this.watches.end();
    this.bake?.watch.end();
  }

  /** As everybody sees it: while an image is fetched, with how far that is. */
  withProgress(deployment: Deployment): Deployment {
    const { progress } = this.trials.of(runningDeployment(this.record));
    const present = deployment.phase === 'starting' && progress !== '';
    return present ? { ...deployment, message: progress } : deployment;
  }

  /** What runs and how it is, without a look at the gateway. */
  async replicas(): Promise<ObservedReplica[]> {
    const replicas = await this.ports.runtime.list(this.config().name);
    return replicas.map((replica) => ({ ...replica, health: this.watches.of(replica) }));
  }

  /** Looks and changes nothing, for whoever asks meanwhile. */
  async snapshot(): Promise<Observed> {
    const { gateway, clock } = this.ports;
    const route = await gateway.route(this.config().name).catch((error: unknown) => {
      if (TurnoutError.from(error).code === 'gateway-unusable') return 'unknown' as const;
      throw error;
    });
    const replicas = await this.replicas();
    const deployment = runningDeployment(this.record);
    return {
      route,
      replicas,
      traffic: null,
      inFlight: null,
      quiet: { blue: this.drains.isQuiet('blue'), green: this.drains.isQuiet('green') },
      quietSlots: new Set(),
      trial: this.trials.of(deployment),
      busy: this.tasks.busy,
      guard: null,
      bakeBreach: this.bake?.watch.breach() ?? null,
      restarts: deployment ? this.revivals.countOf(deployment.id) : 0,
      resting: this.revivals.resting(clock.now()),
    };
  }

  /** Looks, and takes care that the living are watched and the draining are counted: for the loop alone. */
  async observe(): Promise<Observed> {
    const seen = await this.snapshot();
    const deployment = runningDeployment(this.record);
    this.watches.follow(seen.replicas, this.config().health);
    await this.followBake(deployment, seen.replicas);
    const route = seen.route === 'unknown' ? null : seen.route;
    const outside = route ? outsideRoute(route, seen.replicas) : [];
    const draining = COLORS.some((color) => this.record.retiringSince[color] !== null);
    const wanted = deployment !== null || draining || outside.length > 0;
    const traffic = wanted ? await this.ports.gateway.traffic(this.config().name).catch(() => null) : null;
    this.readColors(traffic);
    return {
      ...seen,
      traffic: traffic && markOf(traffic),
      inFlight: traffic && { blue: traffic.colors.blue.inFlight, green: traffic.colors.green.inFlight },
      quiet: { blue: this.drains.isQuiet('blue'), green: this.drains.isQuiet('green') },
      quietSlots: this.readSlots(outside, traffic),
      guard: await this.readGuard(deployment, route),
      bakeBreach: this.bake?.watch.breach() ?? null,
    };
  }

  /** Asked while it may matter: a deployment that has traffic, or that the guard has taken it from. */
  private async readGuard(deployment: Deployment | null, route: Route | null): Promise<Guard | null> {
    if (!deployment || !route) return null;
    if (!hadTraffic(deployment.phase) && route.changedBy !== GUARD) return null;
    return this.ports.gateway.guard(this.config().name).catch(() => null);
  }

  private readColors(traffic: Traffic | null): void {
    for (const color of COLORS) {
      const drains = traffic && this.record.retiringSince[color] !== null;
      this.drains.read(color, drains ? traffic.colors[color].inFlight : null, this.ports.clock.now());
    }
  }

  /** Of the slots that the route has left, those whose last requests have ended, or had the drain limit to do so. */
  private readSlots(outside: { color: Color; slot: number }[], traffic: Traffic | null): Set<string> {
    const now = this.ports.clock.now();
    const keys = new Set(outside.map(({ color, slot }) => slotKey(color, slot)));
    for (const key of this.outSince.keys()) {
      if (keys.has(key)) continue;
      this.outSince.delete(key);
      this.drains.read(key, null, now);
    }
    const quiet = new Set<string>();
    for (const { color, slot } of outside) {
      const key = slotKey(color, slot);
      const since = this.outSince.get(key) ?? now;
      this.outSince.set(key, since);
      this.drains.read(key, traffic && inFlightOf(traffic, color, slot), now);
      if (this.drains.isQuiet(key) || now - since >= this.config().drain.timeout) quiet.add(key);
    }
    return quiet;
  }

  private async followBake(deployment: Deployment | null, replicas: Replica[]): Promise<void> {
    const baking = deployment && hadTraffic(deployment.phase) ? deployment : null;
    if (this.bake && this.bake.deployment !== baking?.id) {
      this.bake.watch.end();
      this.bake = null;
    }
    if (!baking) return;
    const mine = replicas.filter((one) => one.deployment === baking.id && one.alive);
    this.bake ??= { deployment: baking.id, watch: new BakeWatch(mine, this.config().bake, this.ports.runtime, this.ports.clock) };
    await this.bake.watch.look();
  }
}

/** Living replicas of a color with traffic that the route sends none to. */
function outsideRoute(route: Route, replicas: Replica[]): Replica[] {
  return replicas.filter(
    ({ color, slot, alive }) => alive && takesTraffic(route, color) && !route.colors[color].slots.includes(slot),
  );
}

function inFlightOf(traffic: Traffic, color: Color, slot: number): number {
  const sets = Object.entries(traffic.colors[color].inFlightBySet);
  return sets.reduce((sum, [set, count]) => (set.split('-').includes(String(slot)) ? sum + count : sum), 0);
}
