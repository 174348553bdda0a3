import { pino } from 'pino';
import { COLORS, type Color, type Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../../sidecar/config/config.ts';
import { Conductor } from '../../sidecar/deploy/conductor.ts';
import { takesTraffic } from '../../sidecar/deploy/observed.ts';
import { TurnoutError } from '../../sidecar/errors.ts';
import { FakeGateway } from '../../sidecar/gateway/fake.ts';
import { FakeRuntime } from '../../sidecar/runtime/fake.ts';
import type { Replica, StopOptions } from '../../sidecar/runtime/runtime.ts';
import { isEnd } from '../../sidecar/store/deployment.ts';
import type { JournalEvent } from '../../sidecar/store/events.ts';
import type { Written } from '../../sidecar/store/journal.ts';
import { loadRecords } from '../../sidecar/store/load.ts';
import type { ServiceRecord } from '../../sidecar/store/record.ts';
import { VirtualClock } from './clock.ts';

export const SERVICE = 'backend';

/** How a release behaves; every deployment of the model has one, named by its release. */
export interface Nature {
  /** Milliseconds until its health check passes; null: never. */
  healthyAfter: number | null;
  /** Milliseconds after which it dies; null: never. */
  diesAfter: number | null;
  /** Of a hundred requests. */
  errors: number;
}

const GOOD: Nature = { healthyAfter: 100, diesAfter: null, errors: 0 };

class Crash extends Error {}

/** A sidecar, its gateway, replicas and disk, all in memory; things go wrong when the test says so. */
export class World {
  readonly clock = new VirtualClock();
  readonly gateway = new FakeGateway([SERVICE], 2, this.clock);
  readonly lines: Written[] = [];
  readonly violations: string[] = [];
  readonly natures = new Map<string, Nature>();
  /** Replicas whose health check fails at the moment, whatever their nature. */
  readonly flapping = new Set<string>();
  diskFull = false;
  /** The sidecar dies at its n-th append from now, before or after the line is on disk. */
  crashAt: { appends: number; when: 'before' | 'after' } | null = null;
  /** A hand flips once the sidecar means to do this, before it does: between its look and its deed. */
  handAt: { before: string; color: Color; force: boolean } | null = null;
  /** The wall clock was set: a drain that a restarted sidecar goes on with may end early. */
  jumped = false;
  /** Colors that had traffic once. */
  private readonly served = new Set<Color>();
  /** When a color that had traffic was neither ready nor serving any more. */
  private readonly drainsSince = new Map<Color, number>();
  private bakes: { id: string; since: number } | null = null;
  crashes = 0;
  record: ServiceRecord;
  conductor: Conductor;
  private runtime: FakeRuntime;
  private readonly born = new Map<string, number>();
  private dead = false;

  constructor(readonly config: ServiceConfig) {
    this.runtime = this.makeRuntime(new Map());
    [this.record, this.conductor] = this.makeSidecar();
    this.gateway.answer = (upstream) => ({ status: this.isAnswering(upstream) ? 200 : 502, body: '{}' });
    this.gateway.onChange = (route, before) => {
      if (before && route.generation !== before.generation + 1)
        this.violations.push(`generation ${before.generation} -> ${route.generation}`);
      if (before && before.active !== route.active) {
        this.served.add(before.active);
        this.refuseUnmeantFlip(route);
      }
      for (const color of COLORS) {
        // Whoever comes into an empty color has not served yet.
        if (!before || before.colors[color].slots.length === 0) this.served.delete(color);
        const drains = this.served.has(color) && !takesTraffic(route, color) && !route.colors[color].ready;
        if (!drains) this.drainsSince.delete(color);
        else if (!this.drainsSince.has(color)) this.drainsSince.set(color, this.clock.now());
      }
    };
    this.conductor.start();
  }

  get running(): string[] {
    return this.record.deployments.filter((one) => !isEnd(one.phase)).map((one) => one.id);
  }

  natureOf(release: string): Nature {
    return this.natures.get(release) ?? GOOD;
  }

  async replicas(): Promise<Replica[]> {
    return this.runtime.list(SERVICE);
  }

  kill(replica: Replica): void {
    if (replica.alive) this.runtime.crash(replica.id);
  }

  /** Time passes, replicas live out their natures, requests come in. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      await this.clock.advance(Math.min(left, 1000));
      for (const replica of await this.replicas()) {
        const { diesAfter } = this.natureOf(replica.release);
        if (diesAfter !== null && this.ageOf(replica) > diesAfter) this.kill(replica);
      }
      const { active } = (await this.gateway.route(SERVICE).catch(() => null)) ?? { active: null };
      const serving = active && (await this.replicas()).find((one) => one.color === active);
      if (serving) this.gateway.finish(SERVICE, 100, { failed: this.natureOf(serving.release).errors });
      await this.check();
      if (this.dead) await this.restart();
    }
  }

  /** As by SIGKILL: nothing of the old one does anything any more; then a new one reads the journal. */
  async restart(): Promise<void> {
    this.dead = true;
    const old = this.conductor;
    void old.stop();
    await this.clock.advance(0);
    this.dead = false;
    this.crashes++;
    const before = old.durable ? this.record : null;
    this.runtime = this.makeRuntime(this.runtime.replicas);
    [this.record, this.conductor] = this.makeSidecar();
    if (before) this.refuseForgetting(before);
    this.conductor.start();
  }

  /** A new sidecar knows at least what the old one knew. */
  private refuseForgetting(before: ServiceRecord): void {
    if (this.record.flips.length < before.flips.length) this.violations.push('a flip was forgotten');
    for (const { id, phase, steps } of before.deployments) {
      const now = this.record.deployments.find((one) => one.id === id);
      if (!now || now.steps.length < steps.length) this.violations.push(`${id} was ${phase}, now it is ${now?.phase}`);
    }
  }

  /** A bake ends in its time, one way or the other, whatever the disk does. */
  private async refuseEndlessBake(): Promise<void> {
    const baking = this.record.deployments.find((one) => one.phase === 'baking')?.id ?? null;
    const route = await this.gateway.route(SERVICE).catch(() => null);
    if (!this.bakes || this.bakes.id !== baking || route === null)
      this.bakes = baking && route ? { id: baking, since: this.clock.now() } : null;
    const late = this.bakes ? this.clock.now() - this.bakes.since : 0;
    if (late > this.config.bake.for + 3000) this.violations.push(`${baking} bakes for ${late} ms`);
  }

  /** Whatever holds at any time. */
  async check(): Promise<void> {
    await this.refuseEndlessBake();
    if (this.running.length > 1) this.violations.push(`two deployments run: ${this.running}`);
    for (const one of this.record.deployments) {
      if (one.phase !== 'failed') continue;
      const moved = this.record.flips.find((flip) => flip.deployment === one.id);
      if (moved) this.violations.push(`${one.id} failed, but moved traffic to ${moved.to}`);
    }
  }

  /** Only a switch moves traffic: any other write that does has overwritten a hand's flip with an older belief. */
  private refuseUnmeantFlip({ active, changedBy }: Route): void {
    const last = this.lines.at(-1);
    if (changedBy === 'hand' || !this.conductor.durable || last?.kind !== 'intent') return;
    if (!/^(switch|switch-back|seed) /.test(last.step)) this.violations.push(`"${last.step}" moved traffic to ${active}`);
  }

  /** Traffic goes to a new release only once every check has passed. */
  private refuseEarlySwitch(event: JournalEvent): void {
    if (event.kind !== 'intent' || !event.step.startsWith('switch ')) return;
    const phase = this.record.deployments.find((one) => one.id === event.deployment)?.phase;
    if (phase !== 'switching') this.violations.push(`${event.deployment} switches while it is ${phase}`);
  }

  /** An end is written only once it is true. */
  private refuseFalseEnd(event: JournalEvent): void {
    if (event.kind !== 'phase') return;
    const color = this.record.deployments.findLast((one) => one.id === event.deployment)?.color;
    const serves = this.record.flips.at(-1)?.to === color;
    if (event.phase === 'rolled-back' && serves) this.violations.push(`${event.deployment} rolled back, but ${color} serves`);
    if (event.phase === 'live' && !serves) this.violations.push(`${event.deployment} is live, but ${color} does not serve`);
    const left = [...this.runtime.replicas.values()].filter((one) => one.deployment === event.deployment);
    if (event.phase === 'failed' && serves) this.violations.push(`${event.deployment} failed, but ${color} serves`);
    if (event.phase === 'failed' && left.length > 0)
      this.violations.push(`${event.deployment} failed, but its replicas are there`);
  }

  private makeRuntime(replicas: Map<string, Replica>): FakeRuntime {
    const world = this;
    return new (class extends FakeRuntime {
      override async start(...args: Parameters<FakeRuntime['start']>): Promise<Replica> {
        world.alive();
        const replica = await super.start(...args);
        if (!world.born.has(replica.id)) world.born.set(replica.id, world.clock.now());
        return replica;
      }

      override async stop(replica: Replica, options: StopOptions): Promise<void> {
        world.alive();
        world.refuseStoppingTraffic(replica);
        world.refuseStoppingUndrained(replica);
        await super.stop(replica, options);
      }
    })(replicas);
  }

  private refuseStoppingTraffic(replica: Replica): void {
    const { silent } = this.gateway;
    this.gateway.silent = false;
    void this.gateway.route(SERVICE).then((route) => {
      const serves = takesTraffic(route, replica.color) && route?.colors[replica.color].slots.includes(replica.slot);
      if (serves && replica.alive) this.violations.push(`${replica.color}-${replica.slot} was stopped while it had traffic`);
    });
    this.gateway.silent = silent;
  }

  /** Without traffic, but with requests in flight, a color has until the drain limit. */
  private refuseStoppingUndrained({ color, slot, alive }: Replica): void {
    if (this.jumped) return;
    const drainsSince = this.drainsSince.get(color);
    const { silent } = this.gateway;
    this.gateway.silent = false;
    const since = drainsSince === undefined ? null : this.clock.now() - drainsSince;
    void this.gateway.traffic(SERVICE).then(({ colors }) => {
      if (!alive || since === null || since >= this.config.drain.timeout || colors[color].inFlight === 0) return;
      this.violations.push(
        `${color}-${slot} was stopped ${since} ms after it began to drain, with ${colors[color].inFlight} in flight`,
      );
    });
    this.gateway.silent = silent;
  }

  private makeSidecar(): [ServiceRecord, Conductor] {
    const record = loadRecords(this.lines, this.clock)(SERVICE);
    const conductor = new Conductor({
      config: this.config,
      record,
      log: pino({ level: 'silent' }),
      redact: (text) => text,
      ports: {
        gateway: this.guarded(this.gateway),
        runtime: this.runtime,
        clock: this.clock,
        journal: { append: (event, at) => this.append(event, at) },
        check: async (address) => {
          const replica = (await this.replicas()).find((one) => one.address === address && one.alive);
          const ok = replica !== undefined && this.isHealthy(replica);
          return { ok, answered: replica !== undefined, detail: ok ? 'well' : 'ill' };
        },
        runHook: async () => ({ ok: true, message: 'ran' }),
        publish: () => undefined,
        addressOf: (_, color, slot) => `${color}:${slot}`,
      },
    });
    return [record, conductor];
  }

  /** A dead sidecar does nothing to the gateway any more. */
  private guarded(gateway: FakeGateway): FakeGateway {
    return new Proxy(gateway, {
      get: (target, name, receiver) => {
        const value = Reflect.get(target, name, receiver);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          this.alive();
          this.handMoves();
          return value.apply(target, args);
        };
      },
    });
  }

  private handMoves(): void {
    const last = this.lines.at(-1);
    if (!this.handAt || last?.kind !== 'intent' || !last.step.startsWith(`${this.handAt.before} `)) return;
    const { color, force } = this.handAt;
    this.handAt = null;
    void this.gateway.switch(SERVICE, color, { force, by: 'hand' }).catch(() => undefined);
  }

  private async append(event: JournalEvent, at: Date): Promise<Written> {
    this.alive();
    if (this.diskFull) throw new TurnoutError('disk-unusable', 'no space left on device');
    const crash = this.crashAt && --this.crashAt.appends === 0 ? this.crashAt.when : null;
    if (crash) this.crashAt = null;
    if (crash === 'before') return this.die();
    // What a full disk made late tells of another time.
    if (at.getTime() === this.clock.date().getTime()) {
      this.refuseFalseEnd(event);
      this.refuseEarlySwitch(event);
    }
    const line: Written = JSON.parse(JSON.stringify({ v: 1, seq: this.lines.length + 1, at: at.toISOString(), ...event }));
    this.lines.push(line);
    return crash === 'after' ? this.die() : line;
  }

  private die(): never {
    this.dead = true;
    throw new Crash('the sidecar was killed');
  }

  private alive(): void {
    if (this.dead) throw new Crash('a dead sidecar does nothing');
  }

  private ageOf(replica: Replica): number {
    return this.clock.now() - (this.born.get(replica.id) ?? this.clock.now());
  }

  private isHealthy(replica: Replica): boolean {
    const { healthyAfter } = this.natureOf(replica.release);
    return healthyAfter !== null && this.ageOf(replica) >= healthyAfter && !this.flapping.has(`${replica.color}-${replica.slot}`);
  }

  private isAnswering(upstream: string): boolean {
    const color = upstream.split('.')[1] as Color;
    return [...this.runtime.replicas.values()].some((one) => one.color === color && one.alive && this.isHealthy(one));
  }
}
