import type { Color, Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Deployment } from '../store/deployment.ts';
import { type HistoryEntry, historyOf, runningDeployment, type ServiceRecord } from '../store/record.ts';
import { Commands, type DeployRequest } from './commands.ts';
import { decide } from './decide.ts';
import type { Observed, ObservedReplica } from './observed.ts';
import { Observer } from './observer.ts';
import { Performer } from './performer.ts';
import type { Ports } from './ports.ts';
import { Recorder } from './recorder.ts';
import { Tasks } from './tasks.ts';
import { Trials } from './trial.ts';
import { type ServiceView, viewOf } from './view.ts';

/** Milliseconds between two looks at the world: while something is under way, and while nothing is. */
const BUSY_TICK = 100;
const IDLE_TICK = 750;

export interface ConductorParts {
  config: ServiceConfig;
  record: ServiceRecord;
  ports: Ports;
  log: Log;
  /** Takes secret values out of a text. */
  redact(text: string): string;
}

/** Conducts one service: observe, decide, act, record, again. The only one that changes its record. */
export class Conductor {
  readonly commands: Commands;
  private readonly observer: Observer;
  private readonly performer: Performer;
  private readonly recorder: Recorder;
  private readonly tasks: Tasks;
  /** To read; only its conductor writes it. */
  readonly record: ServiceRecord;
  private readonly ports: Ports;
  private readonly log: Log;
  private readonly stopListening: () => void;
  private readonly stopping = new AbortController();
  private wakeUp = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private lastTrouble = '';
  /** Whether the first look at the gateway's route, which tells if anything was ever live, has been taken. */
  private started = false;
  private config: ServiceConfig;
  /** What the next deployment begins with; a running one keeps what it began with. */
  private nextConfig: ServiceConfig;

  constructor(private readonly parts: ConductorParts) {
    this.config = parts.config;
    this.nextConfig = parts.config;
    this.record = parts.record;
    this.ports = parts.ports;
    this.log = parts.log.child({ service: parts.config.name });
    const config = () => this.config;
    const wake = () => this.wake();
    this.tasks = new Tasks(wake);
    const trials = new Trials(config, this.ports, parts.redact);
    this.recorder = new Recorder(this.record, this.ports, this.log);
    this.observer = new Observer(config, this.record, this.ports, trials, this.tasks, wake);
    const { record, ports, recorder, tasks, observer, log } = this;
    const engine = { config, record, ports, recorder, tasks, trials, observer, log, redact: parts.redact, wake };
    this.performer = new Performer(engine);
    this.commands = new Commands(
      engine,
      () => this.adopt(),
      async (route) => {
        await this.performer.noteFlip(route);
      },
    );
    this.stopListening = this.ports.runtime.onExit((replica) => {
      if (replica.service === this.name) this.wake();
    });
  }

  get name(): string {
    return this.config.name;
  }

  /** False while the journal takes nothing: then no deployment is accepted. */
  get durable(): boolean {
    return !this.recorder.broken;
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends after the step under way; nothing is undone, a later start goes on. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.tasks.abort();
    await this.running;
    this.observer.end();
    this.stopListening();
  }

  /** Takes a new configuration: at once, or after the running deployment. */
  configure(config: ServiceConfig): void {
    this.nextConfig = config;
    if (!runningDeployment(this.record)) this.adopt();
    this.wake();
  }

  deployment(id: string): Deployment | null {
    const found = this.record.deployments.find((one) => one.id === id);
    return found ? this.observer.withProgress(found) : null;
  }

  /** Newest first. */
  deployments(): Deployment[] {
    return [...this.record.deployments].reverse();
  }

  history(): HistoryEntry[] {
    return historyOf(this.record);
  }

  /** What runs now, whether the gateway answers or not. */
  replicas(): Promise<ObservedReplica[]> {
    return this.observer.replicas();
  }

  async view(): Promise<ServiceView> {
    const observed = await this.observer.snapshot();
    const traffic = await this.ports.gateway.traffic(this.name).catch(() => null);
    const view = viewOf(this.name, observed, traffic, this.record);
    return { ...view, deployment: view.deployment && this.observer.withProgress(view.deployment) };
  }

  deploy(request: DeployRequest): Promise<{ deployment: Deployment; noop: boolean }> {
    return this.commands.deploy(request);
  }

  switchTo(color: Color, options: { force: boolean; by: string }): Promise<Route> {
    return this.commands.switchTo(color, options);
  }

  /** One look and what follows from it; milliseconds until the next look is due. Never rejects. */
  async tick(): Promise<number> {
    try {
      const caughtUp = await this.recorder.catchUp();
      const observed = await this.observer.observe();
      this.performer.read(observed);
      // What was seen may be older than the flip: look again.
      if (await this.performer.noteFlip(observed.route)) return 0;
      await this.firstRelease(observed.route);
      await this.noteFullDisk(caughtUp);
      if (!runningDeployment(this.record)) this.adopt();
      const step = decide(observed, this.record, this.config, this.ports.clock.now());
      this.lastTrouble = '';
      if (step) return (await this.performer.perform(step, observed)) ? 0 : BUSY_TICK;
      await this.performer.keepFile(observed.route);
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.lastTrouble) this.log.error({ error: this.parts.redact(message) }, 'cannot go on; trying again');
      this.lastTrouble = message;
    }
    return this.isBusy() ? BUSY_TICK : IDLE_TICK;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const woken = this.wakeUp.signal;
      const pause = await this.tick();
      if (pause > 0) await this.ports.clock.rest(pause, woken);
    }
  }

  /** Deploys the configured release when nothing was ever live and nothing is under way. */
  private async firstRelease(route: Observed['route']): Promise<void> {
    if (this.started || route === 'unknown' || runningDeployment(this.record)) return;
    this.started = true;
    if (route !== null || this.record.flips.length > 0) return;
    await this.commands.deploy({
      release: this.config.release,
      image: null,
      digest: null,
      force: false,
      hold: false,
      by: 'first start',
    });
  }

  /** A deployment whose story cannot be written any more is ended: traffic goes back to where it was. */
  private async noteFullDisk(caughtUp: boolean): Promise<void> {
    const deployment = runningDeployment(this.record);
    if (caughtUp || !deployment || this.record.facts.failing) return;
    const message = 'the journal cannot be written: the disk is full or the state folder is not writable';
    await this.recorder.note({
      kind: 'failing',
      service: this.name,
      deployment: deployment.id,
      reason: 'disk-unusable',
      message,
    });
  }

  private isBusy(): boolean {
    const { retiringSince } = this.record;
    return (
      runningDeployment(this.record) !== null ||
      retiringSince.blue !== null ||
      retiringSince.green !== null ||
      this.tasks.busy !== null
    );
  }

  private adopt(): void {
    this.config = this.nextConfig;
  }

  private wake(): void {
    this.wakeUp.abort();
    this.wakeUp = new AbortController();
  }
}
