import { randomBytes } from 'node:crypto';
import { COLORS, type Color, otherColor, type Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import { HealthWatches } from '../health/watch.ts';
import type { Log } from '../log.ts';
import type { Deployment } from '../store/deployment.ts';
import type { JournalEvent } from '../store/events.ts';
import type { Journal } from '../store/journal.ts';
import {
  applyEvent,
  type HistoryEntry,
  historyOf,
  previousRelease,
  runningDeployment,
  type ServiceRecord,
} from '../store/record.ts';
import { act, type Effect, type Ports } from './act.ts';
import { decide } from './decide.ts';
import { Drains } from './drain.ts';
import { type Observed, replicasOf } from './observed.ts';
import { Revivals } from './revivals.ts';
import { describeStep, type Step } from './step.ts';
import { type ServiceView, viewOf } from './view.ts';

/** Milliseconds between two looks at the world: while something is under way, and while nothing is. */
const BUSY_TICK = 100;
const IDLE_TICK = 500;
/** Lines of a dead or sick replica's output that a failure's message carries. */
const LAST_LINES = 10;

export interface ConductorParts {
  config: ServiceConfig;
  record: ServiceRecord;
  journal: Journal;
  ports: Ports;
  log: Log;
  /** Takes secret values out of a text. */
  redact(text: string): string;
}

export interface DeployRequest {
  release: string;
  /** Deploy even if this release is live and healthy. */
  force: boolean;
  by: string;
}

/** Conducts one service: observe, decide, act, record, again. The only one that changes its record. */
export class Conductor {
  private readonly config: ServiceConfig;
  private readonly record: ServiceRecord;
  private readonly ports: Ports;
  private readonly log: Log;
  private readonly watches: HealthWatches;
  private readonly drains = new Drains();
  private readonly revivals = new Revivals();
  private readonly stopping = new AbortController();
  private wakeUp = new AbortController();
  private commands: Promise<unknown> = Promise.resolve();
  private running: Promise<void> = Promise.resolve();
  /** The deployment whose color has answered through nginx, and why the last try failed. */
  private proof = { deployment: '', failure: '' };
  private lastTrouble = '';
  /** Whether the first look at the gateway's route, which tells if anything was ever live, has been taken. */
  private started = false;

  constructor(private readonly parts: ConductorParts) {
    this.config = parts.config;
    this.record = parts.record;
    this.ports = parts.ports;
    this.log = parts.log.child({ service: parts.config.name });
    this.watches = new HealthWatches(parts.ports.clock, () => this.wake());
    parts.ports.runtime.onExit((replica) => {
      if (replica.service === this.config.name) this.wake();
    });
  }

  get name(): string {
    return this.config.name;
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends after the step under way; nothing is undone, a later start goes on. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.running;
    this.watches.end();
  }

  /** Accepts a deployment; `noop` when that release is live and healthy already. Refused with `busy` while another runs. */
  deploy(request: DeployRequest): Promise<{ deployment: Deployment; noop: boolean }> {
    return this.inTurn(async () => {
      this.refuseIfBusy();
      const observed = await this.observe();
      if (observed.route === 'unknown')
        throw new TurnoutError('gateway-unusable', `the gateway does not tell the route of ${this.name}`);
      const live = this.liveDeployment(observed, observed.route, request.release);
      if (live && !request.force) return { deployment: live, noop: true };
      const route = observed.route;
      const color = route === null ? 'blue' : otherColor(route.active);
      const id = `${this.ports.clock.date().getTime().toString(36)}${randomBytes(2).toString('hex')}`;
      const slots = Array.from({ length: this.config.replicas }, (_, index) => index + 1);
      const previous = route?.colors[route.active].release ?? null;
      const facts = { service: this.name, deployment: id, release: request.release, previous, color, slots, by: request.by };
      await this.append({ kind: 'accepted', ...facts });
      this.log.info({ deployment: id, release: request.release, color, by: request.by }, 'deployment accepted');
      this.wake();
      return { deployment: this.record.deployments.at(-1) as Deployment, noop: false };
    });
  }

  /** The flip by hand; never busy. Resolves with the route once it is in force and recorded. */
  async switchTo(color: Color, options: { force: boolean; by: string }): Promise<Route> {
    const route = await this.ports.gateway.switch(this.name, color, options);
    await this.noteFlip(route);
    this.wake();
    return route;
  }

  /** Back to the release before: a switch while it is warm, else a deployment of it. */
  async rollback(by: string): Promise<{ route: Route } | { deployment: Deployment }> {
    const route = await this.ports.gateway.route(this.name);
    if (route) {
      const other = otherColor(route.active);
      const { ready, slots } = route.colors[other];
      if (ready && slots.length > 0) return { route: await this.switchTo(other, { force: false, by }) };
    }
    this.refuseIfBusy();
    const release = previousRelease(this.record);
    if (release === null) throw new TurnoutError('nothing-to-roll-back-to', `${this.name} never served another release`);
    return { deployment: (await this.deploy({ release, force: false, by })).deployment };
  }

  deployment(id: string): Deployment | null {
    return this.record.deployments.find((one) => one.id === id) ?? null;
  }

  /** Newest first. */
  deployments(): Deployment[] {
    return [...this.record.deployments].reverse();
  }

  history(): HistoryEntry[] {
    return historyOf(this.record);
  }

  async view(): Promise<ServiceView> {
    const observed = await this.snapshot();
    const traffic = await this.ports.gateway.traffic(this.name).catch(() => null);
    return viewOf(this.name, observed, traffic, this.record);
  }

  /** Deploys the configured release when nothing was ever live and nothing is under way. */
  private async firstRelease(route: Observed['route']): Promise<void> {
    if (this.started || route === 'unknown') return;
    this.started = true;
    if (route !== null || this.record.deployments.length > 0 || this.record.flips.length > 0) return;
    await this.deploy({ release: this.config.release, force: false, by: 'first start' });
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const woken = this.wakeUp.signal;
      let pause = runningDeployment(this.record) || this.isDraining() ? BUSY_TICK : IDLE_TICK;
      try {
        const observed = await this.observe();
        await this.noteFlip(observed.route);
        await this.firstRelease(observed.route);
        const step = decide(observed, this.record, this.config, this.ports.clock.now());
        if (step) pause = (await this.perform(step, observed)) ? 0 : BUSY_TICK;
        this.lastTrouble = '';
      } catch (error) {
        const { message } = error as Error;
        if (message !== this.lastTrouble) this.log.error({ error: this.parts.redact(message) }, 'cannot go on; trying again');
        this.lastTrouble = message;
        pause = IDLE_TICK;
      }
      if (pause > 0) await this.ports.clock.sleep(pause, woken);
    }
  }

  /** Looks, and takes care that the living are watched and the draining are counted: for the loop alone. */
  private async observe(): Promise<Observed> {
    const seen = await this.snapshot();
    this.watches.follow(seen.replicas, this.config.health);
    const inFlight = this.isDraining() ? await this.inFlight() : null;
    for (const color of COLORS) {
      const drains = this.record.retiringSince[color] !== null;
      this.drains.read(color, drains && inFlight ? inFlight[color] : null, this.ports.clock.now());
    }
    return { ...seen, inFlight, quiet: this.drains.quiet };
  }

  /** Looks and changes nothing, for whoever asks meanwhile. */
  private async snapshot(): Promise<Observed> {
    const route = await this.ports.gateway.route(this.name).catch((error: unknown) => {
      if (TurnoutError.from(error).code === 'gateway-unusable') return 'unknown' as const;
      throw error;
    });
    const replicas = await this.ports.runtime.list(this.name);
    return {
      route,
      replicas: replicas.map((replica) => ({ ...replica, health: this.watches.of(replica) })),
      inFlight: null,
      quiet: this.drains.quiet,
      proven: this.proof.deployment === runningDeployment(this.record)?.id,
      proofFailure: this.proof.failure,
      resting: this.revivals.resting(this.ports.clock.now()),
    };
  }

  private async inFlight(): Promise<Record<Color, number> | null> {
    const traffic = await this.ports.gateway.traffic(this.name).catch(() => null);
    return traffic && { blue: traffic.colors.blue.inFlight, green: traffic.colors.green.inFlight };
  }

  /** Does the step and records it. False: it failed in a way that deserves a pause before the next look. */
  private async perform(step: Step, observed: Observed): Promise<boolean> {
    const deployment = runningDeployment(this.record);
    if (step.do === 'enter') {
      if (!deployment) throw new TurnoutError('internal', 'a phase without a deployment');
      const { phase, reason, message } = step;
      await this.append({ kind: 'phase', service: this.name, deployment: deployment.id, phase, reason, message });
      this.log.info({ deployment: deployment.id, release: deployment.release, phase, reason }, message);
      return true;
    }
    if (step.do === 'fail') {
      await this.fail(step.reason, step.message, step.replica, observed);
      return true;
    }
    if (step.do === 'prove') return this.prove(step, observed, deployment);
    const described = { service: this.name, deployment: deployment?.id ?? null, step: describeStep(step) };
    await this.append({ kind: 'intent', ...described });
    try {
      await act(step, { config: this.config, observed, record: this.record, deployment }, this.ports);
    } catch (error) {
      const detail = this.parts.redact((error as Error).message);
      await this.append({ kind: 'outcome', ...described, ok: false, detail });
      this.log.warn({ step: described.step, error: detail }, 'step failed');
      if (step.do === 'start') await this.fail('start-failed', detail, null, observed);
      if (step.do === 'revive') this.revivals.revived(`${step.color}-${step.slot}`, this.ports.clock.now());
      return false;
    }
    await this.append({ kind: 'outcome', ...described, ok: true, detail: '' });
    await this.after(step, observed);
    return true;
  }

  private async after(step: Effect, observed: Observed): Promise<void> {
    if (step.do === 'retire') {
      await this.append({ kind: 'retiring', service: this.name, color: step.color, reason: step.reason });
      this.log.info({ color: step.color, reason: step.reason }, 'draining');
    }
    if (step.do === 'revive') {
      this.revivals.revived(`${step.color}-${step.slot}`, this.ports.clock.now());
      this.log.warn({ color: step.color, slot: step.slot }, 'replica started again');
    }
    if (step.do === 'stop' && this.record.retiringSince[step.color] !== null) {
      const inFlight = observed.inFlight?.[step.color] ?? 0;
      const limitHit = !observed.quiet[step.color];
      await this.append({ kind: 'retired', service: this.name, color: step.color, inFlight, limitHit });
      this.log.info({ color: step.color, inFlight, limitHit }, 'stopped');
    }
  }

  /** Not journalled: it changes nothing, and it may be tried many times. */
  private async prove(step: Step & { do: 'prove' }, observed: Observed, deployment: Deployment | null): Promise<boolean> {
    try {
      await act(step, { config: this.config, observed, record: this.record, deployment }, this.ports);
      this.proof = { deployment: deployment?.id ?? '', failure: '' };
      return true;
    } catch (error) {
      this.proof = { deployment: '', failure: (error as Error).message };
      return false;
    }
  }

  private async fail(reason: string, message: string, replicaId: string | null, observed: Observed): Promise<void> {
    const deployment = runningDeployment(this.record);
    if (!deployment) return;
    const replica = observed.replicas.find((one) => one.id === replicaId);
    const lines = replica ? await this.ports.runtime.tail(replica, LAST_LINES) : [];
    const whole = this.parts.redact(lines.length > 0 ? `${message}; its last lines:\n${lines.join('\n')}` : message);
    await this.append({ kind: 'failing', service: this.name, deployment: deployment.id, reason, message: whole });
    this.log.error({ deployment: deployment.id, release: deployment.release, reason }, whole);
  }

  /** A change of the serving color, whoever made it, is recorded once it is seen. */
  private async noteFlip(seen: Route | null | 'unknown'): Promise<void> {
    if (seen === null || seen === 'unknown' || seen.active === this.record.flips.at(-1)?.to) return;
    await this.inTurn(() => this.recordFlip());
  }

  /** Reads the route once more: what was seen may be older than a flip that is recorded already. */
  private async recordFlip(): Promise<void> {
    const route = await this.ports.gateway.route(this.name);
    const last = this.record.flips.at(-1);
    if (route === null || route.active === last?.to) return;
    const { release, slots } = route.colors[route.active];
    const id = /^deployment (\S+)$/.exec(route.changedBy)?.[1];
    const deployment = this.record.deployments.some((one) => one.id === id) ? (id ?? null) : null;
    const from = last?.to ?? null;
    const fromRelease = last?.release ?? null;
    const { generation, changedBy: by } = route;
    await this.append({
      kind: 'flip',
      service: this.name,
      deployment,
      from,
      to: route.active,
      fromRelease,
      release,
      slots,
      generation,
      by,
    });
    this.log.info({ from, to: route.active, release, generation, by }, 'traffic switched');
  }

  private async append(event: JournalEvent): Promise<void> {
    const { clock } = this.ports;
    applyEvent(this.record, await this.parts.journal.append(event, clock.date()), clock.now());
  }

  private isDraining(): boolean {
    return COLORS.some((color) => this.record.retiringSince[color] !== null);
  }

  private liveDeployment(observed: Observed, route: Route | null, release: string): Deployment | null {
    if (route === null || route.colors[route.active].release !== release) return null;
    const serving = replicasOf(observed, route.active).filter((one) => route.colors[route.active].slots.includes(one.slot));
    if (serving.length === 0 || serving.some((one) => !one.alive || one.health.state !== 'healthy')) return null;
    return this.record.deployments.findLast((one) => one.release === release && one.color === route.active) ?? null;
  }

  private refuseIfBusy(): void {
    const running = runningDeployment(this.record);
    if (!running) return;
    const { id, release, by, phase, startedAt } = running;
    const age = Math.round((this.ports.clock.date().getTime() - Date.parse(startedAt)) / 1000);
    throw new TurnoutError('busy', `deployment ${id} of ${release} by ${by} is ${phase} since ${age} s`);
  }

  private inTurn<T>(command: () => Promise<T>): Promise<T> {
    const turn = this.commands.then(command);
    this.commands = turn.catch(() => undefined);
    return turn;
  }

  private wake(): void {
    this.wakeUp.abort();
    this.wakeUp = new AbortController();
  }
}
