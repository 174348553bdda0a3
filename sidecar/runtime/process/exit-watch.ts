import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';
import type { Replica } from '../runtime.ts';

/** Milliseconds between two looks at the adopted replicas. */
const INTERVAL = 500;

type Listener = (replica: Replica) => void;

/** Tells listeners of the end of replicas, and looks after those of which the kernel tells only their parent. */
export class ExitWatch {
  readonly #listeners = new Set<Listener>();
  readonly #adopted = new Map<string, { replica: Replica; process: ProcessIdentity }>();
  #timer: NodeJS.Timeout | undefined;

  listen(listener: Listener): () => void {
    // Wrapped, since the same function may listen twice and stop once.
    const entry: Listener = (replica) => listener(replica);
    this.#listeners.add(entry);
    this.#adjust();
    return () => {
      this.#listeners.delete(entry);
      this.#adjust();
    };
  }

  notify(replica: Replica): void {
    for (const listener of [...this.#listeners]) listener({ ...replica });
  }

  /** For a replica that runs and is nobody's child here. */
  follow(replica: Replica, process: ProcessIdentity): void {
    this.#adopted.set(replica.id, { replica, process });
    this.#adjust();
  }

  follows(id: string): boolean {
    const found = this.#adopted.get(id);
    return found !== undefined && isAlive(found.process);
  }

  /** Looks now instead of at the next turn. */
  check(): void {
    for (const [id, { replica, process }] of this.#adopted) {
      if (isAlive(process)) continue;
      this.#adopted.delete(id);
      this.notify({ ...replica, alive: false, exit: null });
    }
    this.#adjust();
  }

  #adjust(): void {
    const wanted = this.#adopted.size > 0 && this.#listeners.size > 0;
    if (wanted && !this.#timer) {
      this.#timer = setInterval(() => this.check(), INTERVAL).unref();
    } else if (!wanted && this.#timer) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
