import { COLORS, type Color, type Route } from '../../njs/route.ts';
import type { Traffic } from '../../njs/traffic.ts';
import type { Clock } from '../clock.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { ObservedReplica } from '../deploy/observed.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { HealthPorts } from '../health/watch.ts';
import type { Replica, Runtime } from '../runtime/runtime.ts';
import type { ServiceRecord } from '../store/record.ts';
import type { HealthHistory } from './health-history.ts';
import { judge } from './judge.ts';
import { Marks } from './marks.ts';
import { CheckNow } from './replica-now.ts';
import type { Answering, ColorReport, Limits, Looked, MonitorReport, ReplicaReport } from './report.ts';
import { SlotMemories } from './slot-memory.ts';
import { smokeThrough } from './smoke.ts';

/** Error lines in a minute that say nothing yet, where the service does not say how many are too many. */
const ERROR_LINES = 5;
/** Looks at most, while the route changes under them. */
const LOOKS = 4;

/** As much of a conductor as is monitored. */
export interface Monitored {
  readonly name: string;
  readonly record: ServiceRecord;
  /** What runs and how its health watch finds it. */
  replicas(): Promise<ObservedReplica[]>;
}

export interface MonitorPorts {
  gateway: Pick<Gateway, 'route' | 'traffic' | 'probe'>;
  runtime: Pick<Runtime, 'resources' | 'matchOutput' | 'tail'>;
  clock: Clock;
  /** One health check that nobody remembers. */
  check: HealthPorts['check'];
  history: Pick<HealthHistory, 'of'>;
  /** The fixed address of a slot. */
  addressOf(service: string, color: Color, slot: number): string;
  /** Takes secret values out of a text. */
  redact(text: string): string;
}

/** Remembers what only time shows of one service, and reports on it. Changes nothing. */
export class Monitor {
  private readonly marks: Marks;
  private readonly slots: SlotMemories;
  private readonly checks: CheckNow;

  constructor(
    private readonly monitored: Monitored,
    private readonly config: () => ServiceConfig,
    private readonly ports: MonitorPorts,
  ) {
    this.marks = new Marks(ports.clock);
    this.slots = new SlotMemories(ports, () => config().bake.logErrors?.pattern ?? null);
    this.checks = new CheckNow(ports);
  }

  /** To be called every few seconds, with what the gateway has counted; null: it did not answer. Never rejects. */
  async remember(traffic: Traffic | null): Promise<void> {
    const replicas = await this.monitored.replicas().catch(() => null);
    if (traffic) this.marks.take(traffic);
    if (!replicas) return;
    const watched = this.watched(replicas);
    this.slots.see(watched);
    await this.slots.sample(watched);
  }

  /** The color with traffic: only that one is judged, and one that is about to be stopped must not be held up by being watched. */
  private watched(replicas: ObservedReplica[]): ObservedReplica[] {
    this.slots.keepOnly(this.serving);
    return replicas.filter((one) => one.color === this.serving);
  }

  private get serving(): Color | null {
    return this.monitored.record.flips.at(-1)?.to ?? null;
  }

  /** A replica has ended, by itself or because it was stopped. */
  ended(replica: Replica): void {
    if (replica.service === this.monitored.name && replica.color === this.serving) void this.slots.ended(replica);
  }

  end(): void {
    this.slots.end();
  }

  async report({ smoke }: { smoke: boolean }): Promise<MonitorReport> {
    for (let looks = 1; ; looks++) {
      const looked = await this.look(smoke);
      const judged = judge(looked);
      if (judged.verdict.state === 'healthy' || looks === LOOKS) return { ...looked, ...judged };
      // What was seen may be of two moments, before a switch and after it.
      const route = await this.ports.gateway.route(this.monitored.name).catch(() => null);
      if (!route || route.generation === looked.generation) return { ...looked, ...judged };
    }
  }

  private async look(smoke: boolean): Promise<Looked> {
    const { gateway, clock } = this.ports;
    const { name, record } = this.monitored;
    const config = this.config();
    const [route, replicas] = await Promise.all([asked(gateway.route(name)), asked(this.monitored.replicas())]);
    if (replicas.value) this.slots.see(this.watched(replicas.value));
    const traffic = await gateway.traffic(name).catch(() => null);
    const limits = limitsOf(config);
    const seen = route.value ?? null;
    const serving = seen?.active ?? null;
    const colors = await Promise.all(
      COLORS.map((color) => this.color(color, { route: seen, replicas: replicas.value ?? [], traffic, limits, config })),
    );
    const named = seen && serving ? seen.colors[serving].slots : [];
    return {
      service: name,
      at: clock.date().toISOString(),
      active: serving,
      generation: seen?.generation ?? 0,
      gateway: this.answering(route),
      runtime: this.answering(replicas),
      deployment: deploymentOf(record),
      limits,
      colors: colors.filter(({ weight, replicas }) => weight > 0 || replicas.length > 0),
      smoke:
        smoke && serving && named.length > 0
          ? await smokeThrough(gateway, config, { color: serving, slots: named }, (text) => this.ports.redact(text))
          : null,
    };
  }

  private async color(color: Color, { route, replicas, traffic, limits, config }: Seen): Promise<ColorReport> {
    const { record, name } = this.monitored;
    const mine = replicas.filter((one) => one.color === color);
    const wanted = route ? [...route.colors[color].slots, ...record.outOfRoute[color]] : [];
    const slots = [...new Set([...wanted, ...mine.map((one) => one.slot)])].sort((a, b) => a - b);
    const switched = record.flips.findLast((flip) => flip.to === color) ?? null;
    return {
      color,
      release: route?.colors[color].release ?? mine[0]?.release ?? null,
      weight: route?.weights[color] ?? 0,
      ready: route?.colors[color].ready ?? false,
      replicas: await Promise.all(
        slots.map((slot) => {
          const there = mine.find((one) => one.slot === slot);
          return there ? this.replica(there, config) : missing(color, slot, this.ports.addressOf(name, color, slot));
        }),
      ),
      traffic: traffic && this.marks.report(traffic, color, switched, limits),
    };
  }

  private async replica(replica: ObservedReplica, { health }: ServiceConfig): Promise<ReplicaReport> {
    const { color, slot, address } = replica;
    const memory = this.slots.of(replica);
    return {
      name: `${color}-${slot}`,
      slot,
      address,
      ...(await this.checks.of(replica, health)),
      checks: this.ports.history.of(address),
      resources: memory.resources,
      restarts: memory.lives,
      errors: memory.errorLines,
    };
  }

  private answering({ error }: Asked<unknown>): Answering {
    return { answers: error === null, detail: error === null ? '' : this.ports.redact(error.message) };
  }
}

interface Seen {
  route: Route | null;
  replicas: ObservedReplica[];
  traffic: Traffic | null;
  limits: Limits;
  config: ServiceConfig;
}

type Asked<T> = { value: T; error: null } | { value: null; error: Error };

async function asked<T>(answer: Promise<T>): Promise<Asked<T>> {
  try {
    return { value: await answer, error: null };
  } catch (error) {
    return { value: null, error: error as Error };
  }
}

function limitsOf({ bake, resources }: ServiceConfig): Limits {
  const { minRequests, maxErrorRate, maxP99, maxCpu, maxMemory, logErrors } = bake;
  return {
    minRequests,
    maxErrorRate,
    maxP99,
    cpu: lower(maxCpu, resources.cpus),
    memory: lower(maxMemory, resources.memory),
    errorLines: logErrors?.max ?? ERROR_LINES,
  };
}

function lower(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

function deploymentOf({ deployments, flips }: ServiceRecord): Looked['deployment'] {
  const last = deployments.at(-1);
  if (!last) return null;
  const { id, release, phase, reason, message, since, finishedAt } = last;
  const handled = finishedAt !== null && flips.some((flip) => flip.deployment === null && flip.at > finishedAt);
  return { id, release, phase, reason, message, since, handled };
}

function missing(color: Color, slot: number, address: string): ReplicaReport {
  return {
    name: `${color}-${slot}`,
    slot,
    address,
    state: 'missing',
    detail: '',
    checks: { ok: 0, total: 0, flaps: 0 },
    resources: { cpu: null, memory: null, growth: null },
    restarts: { total: 0, recent: 0, lastEnd: '' },
    errors: { total: 0, recent: 0, last: null },
  };
}
