import type { ProcessIdentity } from '../../process-identity.ts';
import { identify, isAlive, processGroup } from '../../process-identity.ts';
import type { StopOptions } from '../runtime.ts';
import { endAll, kill } from './ending.ts';
import { findMarked } from './environment.ts';

/** Everything that one replica is made of: its process group, and the descendants that left the group but carry its mark. */
export class ProcessTree {
  readonly #leader: ProcessIdentity | null;
  readonly #mark: string;
  /** Members of the group that were seen right when the leader ended. */
  readonly #survivors: ProcessIdentity[];
  /**
   * A group's number is its leader's pid, and free for others once all its members have ended. So members count as ours
   * only after the leader itself has been seen alive, and this object lives no longer than one stop.
   */
  #groupIsOurs = false;

  constructor(leader: ProcessIdentity | null, mark: string, survivors: ProcessIdentity[] = []) {
    this.#leader = leader;
    this.#mark = mark;
    this.#survivors = survivors;
  }

  living(): ProcessIdentity[] {
    if (this.#leader && isAlive(this.#leader)) this.#groupIsOurs = true;
    const group = this.#leader && this.#groupIsOurs ? identifyAll(processGroup(this.#leader.pid)) : [];
    const all = [...group, ...identifyAll(findMarked(this.#mark)), ...this.#survivors.filter(isAlive)];
    const byPid = new Map(all.map((one) => [one.pid, one]));
    byPid.delete(process.pid);
    return [...byPid.values()];
  }

  /** Signals all of it once, waits, and sends SIGKILL to what is left at the limit. Resolves when nothing runs any more. */
  async end(options: StopOptions): Promise<void> {
    await endAll({ find: () => this.living(), send: (signal, targets) => this.#send(signal, targets) }, options);
  }

  /** One signal to the whole group, so that no member can fork its way past it; the others get theirs one by one. */
  #send(signal: NodeJS.Signals, targets: ProcessIdentity[]): void {
    let group: number[] = [];
    if (this.#leader && isAlive(this.#leader)) {
      group = processGroup(this.#leader.pid);
      kill(-this.#leader.pid, signal);
    }
    for (const target of targets) {
      if (!group.includes(target.pid) && isAlive(target)) kill(target.pid, signal);
    }
  }
}

function identifyAll(pids: number[]): ProcessIdentity[] {
  return pids.map(identify).filter((identity) => identity !== null);
}
