import { GUARD } from '../../njs/guard.ts';
import type { Route } from '../../njs/route.ts';
import { TurnoutError } from '../errors.ts';
import { type Deployment, isEnd } from '../store/deployment.ts';
import { runningDeployment } from '../store/record.ts';
import { type Mark, markOf } from '../watch/counts.ts';
import { act, type Effect } from './act.ts';
import type { Engine } from './engine.ts';
import { Gaps } from './gaps.ts';
import { type Observed, slotKey } from './observed.ts';
import { receiptOf } from './receipt.ts';
import { describeStep, type HookName, type Step } from './step.ts';

/** Lines of a dead or sick replica's output that a failure's message carries. */
const LAST_LINES = 10;
/** Milliseconds between two tries to write a route's file that the disk did not take. */
const FILE_RETRY = 1000;

/** Does what was decided and records it: the intent before, the outcome after. */
export class Performer {
  private readonly gaps = new Gaps();
  /** The write of the route that this process made last: how long it took, and what was counted just before it. */
  private lastWrite: { generation: number; tookMs: number; traffic: Mark | null } | null = null;
  private flipping: Promise<unknown> = Promise.resolve();
  private fileTriedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly engine: Engine) {}

  /** False: it failed, or goes on in the background, so that a pause is due before the next look. */
  async perform(step: Step, observed: Observed): Promise<boolean> {
    const deployment = runningDeployment(this.engine.record);
    switch (step.do) {
      case 'enter':
        await this.enter(step, this.required(deployment));
        return true;
      case 'fail':
        await this.fail(step, observed);
        return true;
      case 'prove':
      case 'warm':
      case 'smoke':
        this.engine.tasks.start(step.do, (signal) => this.engine.trials[step.do](this.required(deployment), signal));
        return false;
      case 'prepare':
        this.startPrepare(this.required(deployment));
        return false;
      case 'hook':
        this.startHook(step.hook);
        return false;
      default:
        return this.effect(step, observed, deployment);
    }
  }

  /** Takes in what every look shows, also while there is nothing to do. */
  read(observed: Observed): void {
    this.gaps.read(runningDeployment(this.engine.record), observed.traffic, this.engine.ports.clock.now());
  }

  /** A change of the serving color, whoever made it, is recorded once it is seen. Answers whether one was. */
  async noteFlip(seen: Route | null | 'unknown'): Promise<boolean> {
    if (seen === null || seen === 'unknown' || seen.active === this.engine.record.flips.at(-1)?.to) return false;
    const before = this.engine.record.flips.length;
    const turn = this.flipping.then(() => this.recordFlip());
    this.flipping = turn.catch(() => undefined);
    await turn;
    return this.engine.record.flips.length > before;
  }

  /** A route that is in memory alone gets its file as soon as the disk takes it. */
  async keepFile(route: Observed['route']): Promise<void> {
    const { ports, log, config } = this.engine;
    if (route === null || route === 'unknown' || route.persisted !== false) return;
    if (ports.clock.now() - this.fileTriedAt < FILE_RETRY) return;
    this.fileTriedAt = ports.clock.now();
    await ports.gateway.put(config().name, route, { ifMatch: route.generation, by: route.changedBy });
    log.info('the route is on disk again');
  }

  private async effect(step: Effect, observed: Observed, deployment: Deployment | null): Promise<boolean> {
    const { config, record, ports, recorder, log, redact } = this.engine;
    const described = { service: config().name, deployment: deployment?.id ?? null, step: describeStep(step) };
    await recorder.note({ kind: 'intent', ...described });
    // No new deployment's effect without its intent on disk; moving back and cleaning up go on.
    if (recorder.broken && (step.do === 'start' || step.do === 'switch')) return false;
    if (step.do === 'reroute') {
      const { color, slots, out } = step;
      await recorder.note({ kind: 'rerouting', service: config().name, color, slots, out });
    }
    const started = ports.clock.now();
    try {
      const route = await act(step, { config: config(), observed, record, deployment }, ports);
      const tookMs = Math.round((ports.clock.now() - started) * 100) / 100;
      if (route) this.lastWrite = { generation: route.generation, tookMs, traffic: observed.traffic };
    } catch (error) {
      const detail = redact((error as Error).message);
      await recorder.note({ kind: 'outcome', ...described, ok: false, detail });
      log.warn({ step: described.step, error: detail }, 'step failed');
      if (step.do === 'start') await this.fail({ do: 'fail', reason: 'start-failed', message: detail, replica: null }, observed);
      if (step.do === 'revive') this.noteRevival(step);
      return false;
    }
    await recorder.note({ kind: 'outcome', ...described, ok: true, detail: '' });
    await this.after(step, observed);
    return true;
  }

  private async after(step: Effect, observed: Observed): Promise<void> {
    const { config, record, recorder, log } = this.engine;
    const service = config().name;
    if (step.do === 'retire') {
      await recorder.note({ kind: 'retiring', service, color: step.color, reason: step.reason });
      log.info({ color: step.color, reason: step.reason }, 'draining');
    }
    if (step.do === 'reroute') log.warn({ color: step.color, slots: step.slots, why: step.why }, 'route changed');
    if (step.do === 'revive') this.noteRevival(step);
    if (step.do === 'stop' && record.retiringSince[step.color] !== null) {
      const inFlight = observed.inFlight?.[step.color] ?? 0;
      const limitHit = !observed.quiet[step.color];
      await recorder.note({ kind: 'retired', service, color: step.color, inFlight, limitHit });
      log.info({ color: step.color, inFlight, limitHit }, 'stopped');
    }
  }

  private noteRevival(step: Step & { do: 'revive' }): void {
    const { observer, record, ports, log } = this.engine;
    const id = record.deployments.findLast((one) => one.color === step.color)?.id ?? '';
    const loops = observer.revivals.revived(slotKey(step.color, step.slot), id, ports.clock.now());
    const facts = { color: step.color, slot: step.slot };
    if (loops) log.error(facts, 'crash loop: this replica dies again and again');
    else log.warn(facts, 'replica started again');
  }

  private async enter(step: Step & { do: 'enter' }, deployment: Deployment): Promise<void> {
    const { record, recorder, log } = this.engine;
    const { phase, reason, message } = step;
    const receipt = isEnd(phase)
      ? receiptOf(deployment, this.factsWithGap(deployment), await this.mark(), step.inconclusive ?? false)
      : null;
    await recorder.note({ kind: 'phase', service: record.service, deployment: deployment.id, phase, reason, message, receipt });
    const level = phase === 'failed' || phase === 'rolled-back' || phase === 'needs-operator' ? 'error' : 'info';
    log[level]({ deployment: deployment.id, release: deployment.release, phase, reason }, message);
    if (!isEnd(phase)) return;
    await this.engine.tasks.abort();
    // It has nothing to watch any more; should this not get through, the next change of the route ends its watch.
    await this.engine.ports.gateway.disarm(record.service).catch(() => undefined);
  }

  private factsWithGap(deployment: Deployment) {
    return { ...this.engine.record.facts, longestGapMs: this.gaps.longest(deployment) };
  }

  private startPrepare(deployment: Deployment): void {
    const { record, recorder, tasks, trials, log } = this.engine;
    const of = { service: record.service, deployment: deployment.id };
    tasks.start('prepare', async (signal) => {
      try {
        const digest = await trials.prepare(deployment, signal);
        if (digest !== deployment.digest) await recorder.note({ kind: 'prepared', ...of, digest });
        trials.prepared(deployment);
        log.info({ deployment: deployment.id, image: deployment.image, digest }, 'image is here');
      } catch (error) {
        if (signal.aborted) return;
        const message = this.engine.redact((error as Error).message);
        await recorder.note({ kind: 'failing', ...of, reason: 'image-unavailable', message });
        log.error({ deployment: deployment.id, image: deployment.image }, message);
      }
    });
  }

  private startHook(name: HookName): void {
    const { config, record, ports, recorder, tasks, log } = this.engine;
    const hook = config().hooks[name];
    const deployment = record.deployments.at(-1);
    if (!hook || !deployment) return;
    tasks.start(name, async (signal) => {
      const { ok, message } = await ports.runHook(name, hook, { service: config(), deployment }, signal);
      if (signal.aborted) return;
      const service = record.service;
      await recorder.note({
        kind: 'hook',
        service,
        deployment: deployment.id,
        hook: name,
        ok,
        message: this.engine.redact(message),
      });
      log[ok ? 'info' : 'error']({ hook: name, ok }, this.engine.redact(message));
      if (ok || name !== 'beforeSwitch' || runningDeployment(record)?.id !== deployment.id) return;
      const failing = { reason: 'hook-failed', message: this.engine.redact(message) };
      await recorder.note({ kind: 'failing', service, deployment: deployment.id, ...failing });
    });
  }

  private async fail(step: Step & { do: 'fail' }, observed: Observed): Promise<void> {
    const { record, recorder, ports, log, redact, tasks } = this.engine;
    const deployment = runningDeployment(record);
    if (!deployment || record.facts.failing) return;
    const replica = observed.replicas.find((one) => one.id === step.replica);
    const lines = replica ? await ports.runtime.tail(replica, LAST_LINES) : [];
    const message = redact(lines.length > 0 ? `${step.message}; its last lines:\n${lines.join('\n')}` : step.message);
    await recorder.note({ kind: 'failing', service: record.service, deployment: deployment.id, reason: step.reason, message });
    log.error({ deployment: deployment.id, release: deployment.release, reason: step.reason }, message);
    await tasks.abort();
  }

  /** Reads the route once more: what was seen may be older than a flip that is recorded already. */
  private async recordFlip(): Promise<void> {
    const { record, ports, recorder, log } = this.engine;
    const service = record.service;
    const route = await ports.gateway.route(service);
    const last = record.flips.at(-1);
    if (route === null || route.active === last?.to) return;
    const { generation, changedBy: by, active: to } = route;
    const { release, slots } = route.colors[to];
    const id = by === GUARD ? runningDeployment(record)?.id : /^deployment (\S+)$/.exec(by)?.[1];
    const deployment = record.deployments.some((one) => one.id === id) ? (id ?? null) : null;
    const own = this.lastWrite?.generation === generation ? this.lastWrite : null;
    const traffic = own ? own.traffic : await this.mark();
    const from = { from: last?.to ?? null, fromRelease: last?.release ?? null };
    await recorder.note({
      kind: 'flip',
      service,
      deployment,
      ...from,
      to,
      release,
      slots,
      generation,
      by,
      traffic,
      tookMs: own?.tookMs ?? null,
    });
    log.info({ ...from, to, release, generation, by }, 'traffic switched');
  }

  private async mark(): Promise<Mark | null> {
    const traffic = await this.engine.ports.gateway.traffic(this.engine.record.service).catch(() => null);
    return traffic && markOf(traffic);
  }

  private required(deployment: Deployment | null): Deployment {
    if (deployment) return deployment;
    throw new TurnoutError('internal', 'a step of a deployment without one');
  }
}
