import type { Color } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import { slotKey } from '../deploy/observed.ts';
import type { Replica, Runtime } from '../runtime/runtime.ts';
import { ERROR_LINE, ErrorCount, shorten } from './error-lines.ts';
import type { ErrorLines, ResourceReport, Restarts } from './report.ts';
import { Usage } from './usage.ts';

/** Milliseconds that a restart counts as lately. */
const RECENT = 5 * 60_000;
/** Restarts whose moments are kept; more are only counted. */
const KEPT = 100;
/** Lines that are looked back at when a replica is first seen. */
const BACK = 10_000;

export interface SlotPorts {
  clock: Clock;
  runtime: Pick<Runtime, 'resources' | 'matchOutput' | 'tail'>;
  /** Takes secret values out of a text. */
  redact(text: string): string;
}

/** What the replicas of one slot have been through since their deployment. */
export class SlotMemory {
  private readonly ids = new Set<string>();
  private readonly restartedAt: number[] = [];
  private readonly errors: ErrorCount;
  private usage: Usage;
  private current = '';
  private restarts = 0;
  private lastEnd = '';

  /** `first`: the replica in it; `fresh`: it was seen from its start. */
  constructor(
    readonly deployment: string,
    private readonly ports: SlotPorts,
    private readonly pattern: RegExp | null,
    first: Replica,
    fresh: boolean,
  ) {
    this.errors = new ErrorCount(ports.clock, fresh);
    this.usage = this.usageOf(first);
  }

  /** Takes in who is there now. */
  see(replica: Replica): void {
    if (this.ids.has(replica.id)) return;
    if (this.ids.size > 0) {
      this.restarts += 1;
      this.restartedAt.push(this.ports.clock.now());
      this.restartedAt.splice(0, this.restartedAt.length - KEPT);
    }
    this.ids.add(replica.id);
    if (this.ids.size > KEPT) this.ids.delete([...this.ids][0] as string);
    // One that was dead before anybody saw it is no news of what runs now.
    if (replica.alive || this.current === '') this.current = replica.id;
    this.usage = this.usageOf(replica);
    // Nobody who is stopped is worth waiting for: it would make the next deployment wait.
    const options = { back: BACK, lastWords: false };
    this.errors.add(this.ports.runtime.matchOutput(replica, this.pattern ?? ERROR_LINE, options));
  }

  /** A replica of this slot has ended, by itself or because it was stopped. */
  async ended(replica: Replica): Promise<void> {
    this.see(replica);
    const { exit } = replica;
    const how = exit === null ? 'ended' : exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
    this.lastEnd = how;
    const lines = await this.ports.runtime.tail(replica, 10).catch(() => []);
    const last = lines.findLast((line) => line.trim() !== '');
    if (last !== undefined && this.lastEnd === how) this.lastEnd = `${how}, saying "${shorten(this.ports.redact(last))}"`;
  }

  /** Reads what the living replica uses. */
  async sample(replica: Replica): Promise<void> {
    this.errors.sample();
    if (!replica.alive) return;
    const { usage } = this;
    const used = await this.ports.runtime.resources(replica).catch(() => null);
    if (used && replica.id === this.current) usage.take(used);
  }

  get resources(): ResourceReport {
    return this.usage.report();
  }

  get errorLines(): ErrorLines {
    return this.errors.report((text) => this.ports.redact(text));
  }

  get lives(): Restarts {
    const from = this.ports.clock.now() - RECENT;
    return { total: this.restarts, recent: this.restartedAt.filter((at) => at > from).length, lastEnd: this.lastEnd };
  }

  end(): void {
    this.errors.end();
  }

  private usageOf({ startedAt }: Replica): Usage {
    const { clock } = this.ports;
    return new Usage(clock, Math.max(0, clock.date().getTime() - Date.parse(startedAt)));
  }
}

/** The memories of all slots of one service. */
export class SlotMemories {
  private readonly slots = new Map<string, SlotMemory>();
  private readonly seenAt = new Map<string, number>();
  private readonly born: number;

  constructor(
    private readonly ports: SlotPorts,
    /** What an error line looks like; null: as in most languages. */
    private readonly pattern: () => RegExp | null,
  ) {
    this.born = ports.clock.date().getTime();
  }

  /** These run or have died. A slot that stays empty is forgotten; between two lives it is empty for a moment. */
  see(replicas: Replica[]): void {
    const now = this.ports.clock.now();
    for (const replica of replicas) {
      this.of(replica).see(replica);
      this.seenAt.set(keyOf(replica), now);
    }
    for (const [key, memory] of this.slots) {
      if (now - (this.seenAt.get(key) ?? now) < RECENT) continue;
      memory.end();
      this.slots.delete(key);
      this.seenAt.delete(key);
    }
  }

  /** Lets go of the slots of the other color; null: of all. */
  keepOnly(color: Color | null): void {
    for (const [key, memory] of this.slots) {
      if (color !== null && key.startsWith(`${color}-`)) continue;
      memory.end();
      this.slots.delete(key);
      this.seenAt.delete(key);
    }
  }

  async ended(replica: Replica): Promise<void> {
    this.seenAt.set(keyOf(replica), this.ports.clock.now());
    await this.of(replica).ended(replica);
  }

  async sample(replicas: Replica[]): Promise<void> {
    await Promise.all(replicas.map((replica) => this.of(replica).sample(replica)));
  }

  /** A slot's memory begins anew with each deployment. */
  of(replica: Replica): SlotMemory {
    const key = keyOf(replica);
    const present = this.slots.get(key);
    if (present?.deployment === replica.deployment) return present;
    present?.end();
    const fresh = Date.parse(replica.startedAt) >= this.born;
    const memory = new SlotMemory(replica.deployment, this.ports, this.pattern(), replica, fresh);
    this.slots.set(key, memory);
    return memory;
  }

  end(): void {
    for (const memory of this.slots.values()) memory.end();
    this.slots.clear();
  }
}

function keyOf({ color, slot }: Replica): string {
  return slotKey(color, slot);
}
