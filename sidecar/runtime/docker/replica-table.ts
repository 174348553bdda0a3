import type { ContainerInspectInfo } from 'dockerode';

import type { Replica } from '../runtime.ts';
import type { Engine } from './engine.ts';
import { LABEL } from './labels.ts';
import { exitOf, shortId, toReplica } from './replica.ts';

export interface ReplicaTableOptions {
  engine: Engine;
  /** The name of the network: the mark of what is ours. */
  network: string;
  /** Called once for each end of a replica. */
  onEnd: (replica: Replica) => void;
  /** A container that is not to be seen: one that a failed start could not take away. */
  isForsaken: (labels: Record<string, string>) => boolean;
}

/**
 * What is known of our containers, by short id. What the engine is asked for is looked at one after another, so that a
 * later answer never meets an older one; what it tells by itself counts at once.
 */
export class ReplicaTable {
  readonly #options: ReplicaTableOptions;
  readonly #rows = new Map<string, Replica>();
  /** Started by this process: their ends count even when they were never seen alive. */
  readonly #expected = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  /** Asked for and not begun. */
  #reconciliation: Promise<void> | null = null;
  readonly #looks = new Map<string, Promise<Replica | null>>();

  constructor(options: ReplicaTableOptions) {
    this.#options = options;
  }

  get(container: string): Replica | null {
    return this.#rows.get(container) ?? null;
  }

  all(): Replica[] {
    const place = ({ service, color, slot }: Replica) => `${service}/${color}/${slot}`;
    return [...this.#rows.values()].sort((one, other) => place(one).localeCompare(place(other), 'en', { numeric: true }));
  }

  /** To be told before the container is started. */
  expect(container: string): void {
    this.#expected.add(container);
  }

  /** Looks at everything that is ours. */
  reconcile(): Promise<void> {
    this.#reconciliation ??= this.#next(async () => {
      this.#reconciliation = null;
      const { engine, network } = this.#options;
      const filters = { label: [`${LABEL.network}=${network}`] };
      const found = await engine.ask('The containers cannot be listed', (docker) =>
        docker.listContainers({ all: true, filters }),
      );
      const present = new Set(found.map(({ Id }) => shortId(Id)));
      await Promise.all([...present].map((container) => this.#inspect(container)));
      for (const container of this.#rows.keys()) if (!present.has(container)) this.#apply(container, null);
    });
    return this.#reconciliation;
  }

  /** Looks at one container; null when it is gone or holds no replica. */
  look(container: string): Promise<Replica | null> {
    const waiting = this.#looks.get(container);
    if (waiting) return waiting;
    const look = this.#next(async () => {
      this.#looks.delete(container);
      await this.#inspect(container);
      return this.get(container);
    });
    this.#looks.set(container, look);
    return look;
  }

  /** The engine has told that what ran in this container ended at `at`, in milliseconds of its own clock. */
  ended(container: string, at: number, code: number): void {
    const row = this.#rows.get(container);
    // Of a run before the one that is known already.
    if (!row?.alive || Date.parse(row.startedAt) > at) return;
    this.#apply(container, { ...row, alive: false, exit: exitOf(code) });
  }

  async #inspect(container: string): Promise<void> {
    const { engine, network, isForsaken } = this.#options;
    const info: ContainerInspectInfo | null = await engine.find(`Container ${container} cannot be inspected`, (docker) =>
      docker.getContainer(container).inspect(),
    );
    const ours = info?.Config.Labels[LABEL.network] === network && !isForsaken(info.Config.Labels);
    this.#apply(container, info && ours ? toReplica(info) : null);
  }

  #apply(container: string, now: Replica | null): void {
    const before = this.#rows.get(container);
    const same = before !== undefined && before.id === now?.id;
    if (same && !before.alive && now.alive) return;
    if (before?.alive && !same) this.#options.onEnd({ ...before, alive: false, exit: null });
    if (now) this.#rows.set(container, now);
    else this.#rows.delete(container);
    const born = !same && (before !== undefined || this.#expected.has(container));
    if (now && !now.alive && (born || (same && before.alive))) this.#options.onEnd({ ...now });
    if (!now) this.#expected.delete(container);
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
