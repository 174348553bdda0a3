import { isAlive } from '../../process-identity.ts';
import type { Stray } from './environment.ts';
import { findStrays } from './environment.ts';
import { logPath } from './log.ts';
import type { ReplicaRecord, ReplicaRecords } from './record.ts';

/** Gives a record back to every replica that runs without one: its sidecar died before writing it, or it was lost. */
export async function adoptStrays(state: string, records: ReplicaRecords): Promise<void> {
  const known = await records.ids();
  for (const stray of findStrays(state, known)) {
    const holder = await records.read(stray);
    if (!holder || !isAlive(holder.process)) await records.adopt(recordOf(stray, state));
  }
}

function recordOf(stray: Stray, state: string): ReplicaRecord {
  // The id begins with the time of its start.
  const time = new Date(Number.parseInt(stray.id, 36));
  const startedAt = (Number.isNaN(time.getTime()) ? new Date() : time).toISOString();
  return { schema: 1, ...stray, startedAt, exit: null, log: { path: logPath(state, stray), from: 0 } };
}
