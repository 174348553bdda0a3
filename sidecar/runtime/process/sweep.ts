import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';
import type { StopOptions } from '../runtime.ts';
import { endAll, kill } from './ending.ts';
import { findBearers, ownId } from './environment.ts';

const SOFTLY: StopOptions = { signal: 'SIGTERM', timeout: 2000 };

export interface Known {
  /** The ids on disk. */
  recorded: () => Promise<Set<string>>;
  /** Whether this process itself knows of it: what it starts and stops right now, too. */
  isKnown: (id: string) => boolean;
}

/** Ends what carries a mark of this state folder and belongs to no known replica. Answers their pids. */
export async function sweep(state: string, { recorded, isKnown }: Known): Promise<number[]> {
  // Looked for before the records are read: what is started from here on is not among them, and what was started before
  // is on disk by then, or `isKnown`.
  const candidates = new Set(findBearers(state).map(({ id }) => id));
  // A sidecar that was started from within a replica shares its mark with its own parents and gateway.
  candidates.delete(ownId(state));
  if (candidates.size === 0) return [];
  const onDisk = await recorded();
  const strays = [...candidates].filter((id) => !onDisk.has(id));
  const ended = new Set<number>();
  await endAll(
    {
      find: () =>
        findBearers(state)
          .filter(({ id }) => strays.includes(id) && !isKnown(id))
          .map((bearer) => bearer.process),
      send: (signal, targets) => {
        for (const target of targets) {
          if (signalled(target, signal)) ended.add(target.pid);
        }
      },
    },
    SOFTLY,
  );
  return [...ended].sort((one, other) => one - other);
}

function signalled(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  kill(target.pid, signal);
  return true;
}
