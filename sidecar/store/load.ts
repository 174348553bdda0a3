import type { Clock } from '../clock.ts';
import type { Written } from './journal.ts';
import { applyEvent, emptyRecord, type ServiceRecord } from './record.ts';

/**
 * The records of all services from the journal's events. A moment on disk is a wall clock's; it becomes one on this
 * process' clock, and never lies in the future, so that a deadline counted from it is at most its full length away.
 */
export function loadRecords(events: Written[], clock: Clock): (service: string) => ServiceRecord {
  const records = new Map<string, ServiceRecord>();
  const recordOf = (service: string) => {
    const known = records.get(service) ?? emptyRecord(service);
    records.set(service, known);
    return known;
  };
  const wall = clock.date().getTime();
  const now = clock.now();
  for (const event of events) applyEvent(recordOf(event.service), event, now - Math.max(0, wall - Date.parse(event.at)));
  return recordOf;
}
