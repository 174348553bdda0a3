import { setTimeout as sleep } from 'node:timers/promises';

import { TurnoutError } from '../../errors.ts';
import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';
import type { StopOptions } from '../runtime.ts';

/** Milliseconds between two looks at /proc. */
const POLL = 20;
/** Milliseconds that the kernel gets to end a process after SIGKILL: long, since one that waits for a disk can't hear. */
const KILL_LIMIT = 10_000;

export interface Doomed {
  /** Looks for all that is to end and still lives. */
  find: () => ProcessIdentity[];
  send: (signal: NodeJS.Signals, targets: ProcessIdentity[]) => void;
}

/** Signals all once, waits, and sends SIGKILL to what is left at the limit. Resolves when nothing is found any more. */
export async function endAll({ find, send }: Doomed, { signal, timeout }: StopOptions): Promise<void> {
  let left = find();
  if (timeout > 0) {
    send(signal, left);
    left = await waitFor(left, find, timeout);
  }
  const limit = performance.now() + KILL_LIMIT;
  while (left.length > 0) {
    if (performance.now() > limit) throw unkillable(left);
    send('SIGKILL', left);
    await sleep(POLL);
    left = find();
  }
}

/** Looks at the known processes only, which is cheap, and for others when those have ended. */
async function waitFor(known: ProcessIdentity[], find: () => ProcessIdentity[], timeout: number): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + timeout;
  let left = known;
  while (left.length > 0) {
    const rest = deadline - performance.now();
    if (rest <= 0) return find();
    await sleep(Math.min(POLL, rest));
    left = left.filter(isAlive);
    if (left.length === 0) left = find();
  }
  return left;
}

export function kill(pid: number, signal: NodeJS.Signals): void {
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
