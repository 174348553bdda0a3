import type { Color } from '../../njs/route.ts';
import { type Deployment, type DeploymentFacts, isEnd, type Phase, type Receipt } from '../../sidecar/store/deployment.ts';
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
    image: null,
    digest: null,
    previous: 'v1',
    color: 'green',
    slots: [1],
    promote: 'auto',
    by: 'tester',
    startedAt: since,
    finishedAt: null,
    steps: [begun],
    receipt: null,
    ...begun,
    ...parts,
  };
}

export interface RecordParts extends Partial<Omit<ServiceRecord, 'facts'>> {
  facts?: Partial<DeploymentFacts>;
  /** Of the facts: why the running deployment is lost. */
  failing?: DeploymentFacts['failing'];
}

/** A record with a deployment to green in this phase, which began at `since`; blue served before. */
export function deploying(phase: Phase, since = 0, parts: RecordParts & { of?: Partial<Deployment> } = {}): ServiceRecord {
  const { of = {}, ...rest } = parts;
  return record({ deployments: [deployment({ phase, ...of })], flips: [flipTo('blue', 'v1')], phaseSince: since, ...rest });
}

export function record({ facts = {}, failing = null, ...parts }: RecordParts = {}): ServiceRecord {
  const empty = emptyRecord('backend');
  return { ...empty, ...parts, facts: { ...empty.facts, failing, ...facts } };
}

/** What a deployment tells of itself once it has ended. */
export function receipt(parts: Partial<Receipt> = {}): Receipt {
  const none = { p50: null, p95: null, p99: null };
  return {
    requests: { blue: {}, green: {} },
    failed: 0,
    failedOver: 0,
    switchMs: null,
    switchedAfterMs: null,
    longestGapMs: null,
    latency: { before: none, after: none },
    inconclusive: false,
    gatewayRestarted: false,
    retired: null,
    ...parts,
  };
}

/** As it stands in the journal. */
export function flipTo(to: Color, release: string | null, parts: Partial<Written<Flipped>> = {}): Written<Flipped> {
  const line = { v: 1, seq: 1, at: '2026-01-01T00:00:00.000Z', kind: 'flip' as const, service: 'backend', deployment: null };
  const unknown = { from: null, fromRelease: null, traffic: null, tookMs: null };
  return { ...line, ...unknown, to, release, slots: [1], generation: 1, by: 'tester', ...parts };
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
    const unknown = { promote: 'auto' as const, traffic: null };
    return {
      kind: 'accepted',
      service: 'backend',
      deployment: id,
      release,
      previous,
      color,
      slots: [1],
      by: 'tester',
      ...unknown,
    };
  },
  /** An end phase brings a receipt. */
  phase: (id: string, phase: Phase, reason = 'because'): JournalEvent => {
    const told = { message: `${id} is ${phase}`, receipt: isEnd(phase) ? receipt() : null };
    return { kind: 'phase', service: 'backend', deployment: id, phase, reason, ...told };
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
