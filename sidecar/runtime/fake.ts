import { TurnoutError } from '../errors.ts';
import type { Replica, ReplicaSpec, Runtime, Slot, StopOptions } from './runtime.ts';

/** A runtime in memory, for tests that want to say what happens to its replicas. */
export class FakeRuntime implements Runtime {
  /** Like the state folder of a real one: hand it to another FakeRuntime to play a restarted sidecar. */
  readonly replicas: Map<string, Replica>;
  readonly #output = new Map<string, string[]>();
  readonly #listeners = new Set<(replica: Replica) => void>();
  #refusal: unknown;
  #refuses = false;

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
    this.#refusal = error;
    this.#refuses = true;
  }

  /** The replica writes these lines. */
  output(id: string, lines: string[]): void {
    this.#output.set(id, [...(this.#output.get(id) ?? []), ...lines]);
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
    if (this.#refuses) {
      this.#refuses = false;
      throw this.#refusal;
    }
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
    };
    this.replicas.set(place(spec), replica);
    return { ...replica };
  }

  async stop(replica: Replica, { signal }: StopOptions): Promise<void> {
    const current = this.replicas.get(place(replica));
    if (current?.id !== replica.id) return;
    this.replicas.delete(place(replica));
    if (current.alive) this.#die(current, { code: null, signal });
  }

  async tail(replica: Replica, lines: number): Promise<string[]> {
    return lines > 0 ? (this.#output.get(replica.id) ?? []).slice(-lines) : [];
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
