import type { Log } from '../../log.ts';
import type { Replica } from '../runtime.ts';
import type { Engine } from './engine.ts';
import { type EngineEvent, EventFeed } from './event-feed.ts';
import { LABEL } from './labels.ts';
import type { Launcher } from './launch.ts';
import { shortId } from './replica.ts';
import { ReplicaTable } from './replica-table.ts';

/** Milliseconds between two looks at everything, should the engine have forgotten to tell something. */
const INTERVAL = 10_000;
/** Other events change nothing about a replica. */
const ACTIONS = ['start', 'die', 'destroy', 'pause', 'unpause', 'update'];

export interface ReplicaWatchOptions {
  engine: Engine;
  network: string;
  launcher: Launcher;
  log?: Log | undefined;
}

/** Knows what runs without asking, while the engine tells of changes; asks when it does not. */
export class ReplicaWatch {
  readonly table: ReplicaTable;
  readonly #feed: EventFeed;
  readonly #launcher: Launcher;
  readonly #log: Log | undefined;
  readonly #listeners = new Set<(replica: Replica) => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ engine, network, launcher, log }: ReplicaWatchOptions) {
    this.#launcher = launcher;
    this.#log = log;
    this.table = new ReplicaTable({
      engine,
      network,
      onEnd: (replica) => this.#notify(replica),
      isForsaken: (labels) => launcher.isForsaken(labels),
    });
    this.#feed = new EventFeed({
      engine,
      labels: [`${LABEL.network}=${network}`],
      actions: ACTIONS,
      onEvent: (event) => this.#take(event),
      onOpen: () => this.#refresh(),
    });
  }

  begin(): void {
    this.#feed.begin();
    this.#timer ??= setInterval(() => void this.#check(), INTERVAL).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#feed.close();
  }

  async list(): Promise<Replica[]> {
    this.begin();
    if (!this.#feed.connected) await this.table.reconcile();
    return this.table.all().map((replica) => ({ ...replica }));
  }

  async get(container: string): Promise<Replica | null> {
    this.begin();
    return this.#feed.connected ? this.table.get(container) : this.table.look(container);
  }

  listen(listener: (replica: Replica) => void): () => void {
    // Wrapped, since the same function may listen twice and stop once.
    const entry = (replica: Replica) => listener(replica);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  #take({ action, container, at, attributes }: EngineEvent): void {
    const id = shortId(container);
    if (action === 'die') this.table.ended(id, at, Number(attributes.exitCode));
    void this.table.look(id).catch(() => this.#feed.drop());
  }

  async #refresh(): Promise<void> {
    await this.table.reconcile();
    // Not waited for: what is forsaken is not seen, and what cannot be removed now is tried again.
    void this.#launcher.clean().catch(() => {});
  }

  async #check(): Promise<void> {
    if (!this.#feed.connected) return;
    await this.#refresh().catch((error: Error) => {
      this.#log?.warn({ error: error.message }, 'the engine does not answer any more');
      this.#feed.drop();
    });
  }

  #notify(replica: Replica): void {
    for (const listener of [...this.#listeners]) listener({ ...replica });
  }
}
