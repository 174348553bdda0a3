import type { Color } from '../../njs/route.ts';
import type { Deployment, Phase } from '../../sidecar/store/deployment.ts';
import type { Flipped, JournalEvent } from '../../sidecar/store/events.ts';
import type { Written } from '../../sidecar/store/journal.ts';
import { applyEvent, emptyRecord, type ServiceRecord } from '../../sidecar/store/record.ts';

/** Of v2, into slot 1 of green, with the id `new`. */
export function deployment(parts: Partial<Deployment> = {}): Deployment {
  const since = '2026-01-01T00:00:00.000Z';
  const begun = { phase: parts.phase ?? 'starting', reason: 'accepted', message: 'v2 goes to green', since };
  return {
    id: 'new',
    service: 'backend',
    release: 'v2',
    previous: 'v1',
    color: 'green',
    slots: [1],
    by: 'tester',
    startedAt: since,
    finishedAt: null,
    steps: [begun],
    receipt: { switchedAfterMs: null, retired: null },
    ...begun,
    ...parts,
  };
}

/** A record with a deployment to green in this phase, which began at `since`. */
export function deploying(
  phase: Phase,
  since = 0,
  parts: Partial<ServiceRecord> & { of?: Partial<Deployment> } = {},
): ServiceRecord {
  const { of = {}, ...rest } = parts;
  return record({ deployments: [deployment({ phase, ...of })], flips: [flipTo('blue', 'v1')], phaseSince: since, ...rest });
}

export function record(parts: Partial<ServiceRecord> = {}): ServiceRecord {
  return { ...emptyRecord('backend'), ...parts };
}

/** As it stands in the journal. */
export function flipTo(to: Color, release: string | null, parts: Partial<Written<Flipped>> = {}): Written<Flipped> {
  const facts = { v: 1, seq: 1, at: '2026-01-01T00:00:00.000Z', kind: 'flip' as const, service: 'backend', deployment: null };
  return { ...facts, from: null, to, fromRelease: null, release, slots: [1], generation: 1, by: 'tester', ...parts };
}

/** An event that lacks only what writing it adds. `second` says when, from the start of 2026. */
export function written<E extends JournalEvent>(event: E, second = 0, seq = 1): Written<E> {
  return { v: 1, seq, at: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(), ...event };
}

/** The record after these events, each a second after the one before; moments are their seconds in milliseconds. */
export function recordAfter(...events: JournalEvent[]): ServiceRecord {
  const made = emptyRecord('backend');
  for (const [second, event] of events.entries()) applyEvent(made, written(event, second, second + 1), second * 1000);
  return made;
}

export const event = {
  accepted: (id: string, release: string, color: Color, previous: string | null = null): JournalEvent => {
    return { kind: 'accepted', service: 'backend', deployment: id, release, previous, color, slots: [1], by: 'tester' };
  },
  phase: (id: string, phase: Phase, reason = 'because'): JournalEvent => {
    return { kind: 'phase', service: 'backend', deployment: id, phase, reason, message: `${id} is ${phase}` };
  },
  failing: (id: string, reason: string): JournalEvent => {
    return { kind: 'failing', service: 'backend', deployment: id, reason, message: `${id} is lost` };
  },
  flip: (to: Color, release: string | null, deployed: string | null = null, by = 'tester'): JournalEvent => {
    const { v: _v, seq: _seq, at: _at, ...flip } = flipTo(to, release, { deployment: deployed, by });
    return flip;
  },
  retiring: (color: Color): JournalEvent => ({ kind: 'retiring', service: 'backend', color, reason: 'keep is over' }),
  retired: (color: Color, inFlight = 0, limitHit = false): JournalEvent => {
    return { kind: 'retired', service: 'backend', color, inFlight, limitHit };
  },
};
