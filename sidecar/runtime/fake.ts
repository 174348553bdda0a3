import { TurnoutError } from '../errors.ts';
import { LineMatches } from './line-matches.ts';
import type { Resources } from './resources.ts';
import type { ImageRequest, MatchOptions, OutputMatches, Replica, ReplicaSpec, Runtime, Slot, StopOptions } from './runtime.ts';

/** A runtime in memory, for tests that want to say what happens to its replicas. */
export class FakeRuntime implements Runtime {
  /** Like the state folder of a real one: hand it to another FakeRuntime to play a restarted sidecar. */
  readonly replicas: Map<string, Replica>;
  readonly #output = new Map<string, string[]>();
  readonly #listeners = new Set<(replica: Replica) => void>();
  readonly #matches = new Map<string, LineMatches[]>();
  readonly #used = new Map<string, Resources>();
  #failingStart: { error: unknown } | null = null;
  #failingStop: { error: unknown } | null = null;
  /** Which image each reference means. */
  readonly images = new Map<string, string>();
  /** What the next sweep finds and ends. */
  strays: string[] = [];

  constructor(replicas = new Map<string, Replica>()) {
    this.replicas = replicas;
  }

  /** Ends a living replica as if by itself. */
  crash(id: string, exit: Replica['exit'] = { code: 1, signal: null }): void {
    const replica = [...this.replicas.values()].find((one) => one.id === id);
    if (!replica?.alive) throw new Error(`No living replica ${id}`);
    this.#die(replica, exit);
  }

  /** The next start that would start something rejects with this, and leaves nothing behind. */
  failNextStart(error: unknown = new TurnoutError('runtime-unusable', 'Refused by the test')): void {
    this.#failingStart = { error };
  }

  /** The next stop of a replica that is there rejects with this, and changes nothing. */
  failNextStop(error: unknown = new TurnoutError('runtime-unusable', 'Refused by the test')): void {
    this.#failingStop = { error };
  }

  /** What the replica uses from now on. Before that: nothing, and no cpu at the first reading. */
  use(id: string, resources: Resources): void {
    this.#used.set(id, resources);
  }

  /** The replica writes these lines. */
  output(id: string, lines: string[]): void {
    this.#output.set(id, [...(this.#output.get(id) ?? []), ...lines]);
    for (const matches of this.#matches.get(id) ?? []) {
      for (const line of lines) matches.add(line);
    }
  }

  async list(service?: string): Promise<Replica[]> {
    const sorted = [...this.replicas].sort(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }));
    const all = sorted.map(([, replica]) => ({ ...replica }));
    return service === undefined ? all : all.filter((replica) => replica.service === service);
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    const former = this.replicas.get(place(spec));
    if (former?.alive) {
      if (former.deployment === spec.deployment) return { ...former };
      throw new TurnoutError('runtime-unusable', `${place(spec)} is taken by ${former.deployment}`);
    }
    const failing = this.#failingStart;
    this.#failingStart = null;
    if (failing) throw failing.error;
    const { service, color, slot, address, release, deployment } = spec;
    const replica: Replica = {
      // Unique for ever, over all fakes of a test too.
      id: `fake-${++count}`,
      service,
      color,
      slot,
      address,
      release,
      deployment,
      startedAt: new Date().toISOString(),
      alive: true,
      exit: null,
      kept: false,
    };
    this.replicas.set(place(spec), replica);
    return { ...replica };
  }

  async prepare({ reference, pinned }: ImageRequest): Promise<string> {
    const found = pinned ?? this.images.get(reference);
    if (found !== undefined) return found;
    throw new TurnoutError('image-unavailable', `There is no image ${reference}`);
  }

  async identify({ reference, pinned }: ImageRequest): Promise<string | null> {
    return pinned ?? this.images.get(reference) ?? null;
  }

  async prune(images: string[]): Promise<string[]> {
    return images;
  }

  async keep(replica: Replica): Promise<void> {
    const current = this.replicas.get(place(replica));
    if (current?.id === replica.id) current.kept = true;
  }

  async stop(replica: Replica, { signal }: StopOptions): Promise<void> {
    const current = this.replicas.get(place(replica));
    if (current?.id !== replica.id) return;
    const failing = this.#failingStop;
    this.#failingStop = null;
    if (failing) throw failing.error;
    this.replicas.delete(place(replica));
    if (current.alive) this.#die(current, { code: null, signal });
  }

  async tail(replica: Replica, lines: number): Promise<string[]> {
    return lines > 0 ? (this.#output.get(replica.id) ?? []).slice(-lines) : [];
  }

  async resources(replica: Replica): Promise<Resources | null> {
    const current = this.replicas.get(place(replica));
    if (current?.id !== replica.id || !current.alive) return null;
    const used = this.#used.get(replica.id);
    if (used) return { ...used };
    this.use(replica.id, { cpu: 0, memory: 0 });
    return { cpu: null, memory: 0 };
  }

  matchOutput(replica: Replica, pattern: RegExp, { back = 0, heard }: MatchOptions = {}): OutputMatches {
    const matches = new LineMatches(pattern, heard);
    if (back > 0) for (const line of (this.#output.get(replica.id) ?? []).slice(-back)) matches.add(line);
    this.#matches.set(replica.id, [...(this.#matches.get(replica.id) ?? []), matches]);
    return matches;
  }

  async sweep(): Promise<string[]> {
    return this.strays.splice(0);
  }

  onExit(listener: (replica: Replica) => void): () => void {
    const entry = (replica: Replica) => listener(replica);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  #die(replica: Replica, exit: Replica['exit']): void {
    replica.alive = false;
    replica.exit = exit;
    for (const listener of [...this.#listeners]) listener({ ...replica });
  }
}

let count = 0;

function place({ service, color, slot }: Slot): string {
  return `${service}/${color}/${slot}`;
}
