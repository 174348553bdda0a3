import type { Clock } from '../clock.ts';
import { TurnoutError } from '../errors.ts';
import { identify } from '../process-identity.ts';
import { OwnChild } from '../runtime/process/child.ts';
import { launch, requireFolder } from '../runtime/process/launch.ts';
import { openLog } from '../runtime/process/log.ts';
import { ProcessTree } from '../runtime/process/tree.ts';
import type { Replica } from '../runtime/runtime.ts';

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 2000;

export interface HookProcess {
  child: OwnChild;
  /** Where in the log its output begins. */
  from: number;
}

/** Output goes straight into the file: none of it passes through the sidecar, and nobody who keeps it open is waited for. */
export async function startHook(
  command: string[],
  { cwd, env, log }: { cwd: string; env: NodeJS.ProcessEnv; log: string },
): Promise<HookProcess> {
  await requireFolder(cwd);
  const { file, from } = await openLog(log).catch((cause: NodeJS.ErrnoException) => {
    throw new TurnoutError('disk-unusable', `Its log cannot be opened: ${log} (${cause.code})`, { cause });
  });
  try {
    const spawned = await launch(command, cwd, env, file.fd);
    const identity = identify(spawned.pid as number);
    if (!identity) {
      spawned.kill('SIGKILL');
      throw new TurnoutError('runtime-unusable', 'There is no /proc to watch processes by', { hint: 'Linux is needed.' });
    }
    return { child: new OwnChild(spawned, identity), from };
  } finally {
    await file.close();
  }
}

export interface HookEnd {
  /** `ended`: by itself, before the limit. */
  how: 'ended' | 'timed-out' | 'aborted';
  exit: Replica['exit'];
  /** What could not be ended; null when all could. */
  trouble: string | null;
}

/** Waits for its end, or at the limit and on abort ends all that came from it. Never rejects. */
export async function awaitHook(
  { child }: HookProcess,
  { mark, timeout, clock, signal }: { mark: string; timeout: number; clock: Clock; signal: AbortSignal | undefined },
): Promise<HookEnd> {
  const over = new AbortController();
  const patience = clock.sleep(timeout, signal ? AbortSignal.any([signal, over.signal]) : over.signal);
  await Promise.race([child.exited, patience]);
  over.abort();
  if (child.exit) return { how: 'ended', exit: child.exit, trouble: null };
  const how = signal?.aborted ? 'aborted' : 'timed-out';
  try {
    await new ProcessTree(child.identity, mark).end({ signal: 'SIGTERM', timeout: GRACE });
  } catch (error) {
    return { how, exit: child.exit, trouble: (error as Error).message };
  }
  await child.exited;
  return { how, exit: child.exit, trouble: null };
}
