import { setTimeout as sleep } from 'node:timers/promises';

import { TurnoutError } from '../../errors.ts';
import type { ProcessIdentity } from '../../process-identity.ts';
import { identify, isAlive, processGroup } from '../../process-identity.ts';
import type { StopOptions } from '../runtime.ts';
import { findMarked } from './environment.ts';

/** Milliseconds between two looks at /proc. */
const POLL = 20;
/** Milliseconds that the kernel gets to end a process after SIGKILL: long, since one that waits for a disk can't hear. */
const KILL_LIMIT = 10_000;

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
  async end({ signal, timeout }: StopOptions): Promise<void> {
    let left = this.living();
    if (timeout > 0) {
      this.#send(signal, left);
      left = await this.#wait(left, timeout);
    }
    const limit = performance.now() + KILL_LIMIT;
    while (left.length > 0) {
      if (performance.now() > limit) throw unkillable(left);
      this.#send('SIGKILL', left);
      await sleep(POLL);
      left = this.living();
    }
  }

  /** Looks at the known processes only, which is cheap, and through all of /proc when those have ended. */
  async #wait(known: ProcessIdentity[], timeout: number): Promise<ProcessIdentity[]> {
    const deadline = performance.now() + timeout;
    let left = known;
    while (left.length > 0) {
      const rest = deadline - performance.now();
      if (rest <= 0) return this.living();
      await sleep(Math.min(POLL, rest));
      left = left.filter(isAlive);
      if (left.length === 0) left = this.living();
    }
    return left;
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

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Gone in the meantime is what was wanted; one that may not be signalled comes up again as unkillable.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function unkillable(left: ProcessIdentity[]): TurnoutError {
  const pids = left.map(({ pid }) => pid).join(', ');
  return new TurnoutError('runtime-unusable', `Still running ${KILL_LIMIT / 1000} s after SIGKILL: process ${pids}`, {
    hint: 'It belongs to another user, or hangs in the kernel (state D in `ps`): look at its disks and mounts.',
  });
}
