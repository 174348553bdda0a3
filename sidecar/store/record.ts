import { COLORS, type Color } from '../../njs/route.ts';
import { type Deployment, type DeploymentFacts, isEnd } from './deployment.ts';
import type { Flipped } from './events.ts';
import type { Written } from './journal.ts';

/** A time as this process measures it (Clock.now), for a moment that may lie before its start. */
type Moment = number;

/** What the journal says about one service. A belief: the gateway's route is the truth. */
export interface ServiceRecord {
  service: string;
  /** Oldest first. */
  deployments: Deployment[];
  /** Every change of the serving color, oldest first. */
  flips: Written<Flipped>[];
  /** Of the last deployment. */
  facts: DeploymentFacts;
  /** When the present phase of the last deployment began. */
  phaseSince: Moment;
  /** When a color lost its traffic; null while it has some, or never had any. */
  idleSince: Record<Color, Moment | null>;
  /** Slots that healing has taken out of a color's route, to bring them back. */
  outOfRoute: Record<Color, number[]>;
  /** When a color began to drain; null while it does not. */
  retiringSince: Record<Color, Moment | null>;
}

export function emptyRecord(service: string): ServiceRecord {
  return {
    service,
    deployments: [],
    flips: [],
    facts: noFacts(),
    phaseSince: 0,
    idleSince: { blue: null, green: null },
    outOfRoute: { blue: [], green: [] },
    retiringSince: { blue: null, green: null },
  };
}

function noFacts(): DeploymentFacts {
  return {
    accepted: null,
    switched: null,
    switchedAfterMs: null,
    switchMs: null,
    longestGapMs: null,
    hooks: {},
    promotedBy: null,
    failing: null,
  };
}

/** The deployment under way; null when there is none. */
export function runningDeployment(record: ServiceRecord): Deployment | null {
  const last = record.deployments.at(-1);
  return last && !isEnd(last.phase) ? last : null;
}

/** Takes one event in. `moment` is when it happened, on this process' clock. */
export function applyEvent(record: ServiceRecord, event: Written, moment: Moment): void {
  switch (event.kind) {
    case 'accepted': {
      const { deployment: id, service, release, previous, color, slots, promote, by, at } = event;
      const begun = { phase: 'starting' as const, reason: 'accepted', message: `${release} goes to ${color}`, since: at };
      const { image = null, digest = null } = event;
      const named = { id, service, release, image, digest, previous, color, slots, promote, by, startedAt: at, finishedAt: null };
      record.deployments.push({ ...named, ...begun, steps: [begun], receipt: null });
      record.facts = { ...noFacts(), accepted: event.traffic };
      record.phaseSince = moment;
      return;
    }
    case 'prepared': {
      const deployment = deploymentOf(record, event.deployment);
      if (deployment) deployment.digest = event.digest;
      return;
    }
    case 'phase': {
      const deployment = deploymentOf(record, event.deployment);
      if (!deployment) return;
      const change = { phase: event.phase, reason: event.reason, message: event.message, since: event.at };
      Object.assign(deployment, change);
      deployment.steps.push(change);
      deployment.receipt = event.receipt && { ...event.receipt };
      if (isEnd(event.phase)) deployment.finishedAt = event.at;
      record.phaseSince = moment;
      return;
    }
    case 'failing':
      record.facts.failing = { reason: event.reason, message: event.message };
      return;
    case 'promoted':
      record.facts.promotedBy = event.by;
      return;
    case 'hook':
      record.facts.hooks[event.hook] = event.ok;
      return;
    case 'flip': {
      record.flips.push(event);
      for (const color of COLORS) {
        record.idleSince[color] = color === event.to ? null : moment;
        record.retiringSince[color] = null;
      }
      record.outOfRoute[event.to] = [];
      const running = runningDeployment(record);
      if (running?.color === event.to) {
        record.facts.switched = event.traffic;
        record.facts.switchedAfterMs = Date.parse(event.at) - Date.parse(running.startedAt);
        record.facts.switchMs = event.tookMs;
      }
      return;
    }
    case 'rerouting':
      record.outOfRoute[event.color] = event.out;
      return;
    case 'retiring':
      record.outOfRoute[event.color] = [];
      record.retiringSince[event.color] = moment;
      return;
    case 'retired': {
      record.retiringSince[event.color] = null;
      // A first release has nothing behind it, so what is retired then is none of its.
      const by = record.deployments.findLast((one) => one.receipt !== null && one.phase !== 'failed' && one.previous !== null);
      const { color, inFlight, limitHit, at } = event;
      if (by?.receipt && by.receipt.retired === null) by.receipt.retired = { color, inFlight, limitHit, at };
      return;
    }
    case 'intent':
    case 'outcome':
      return;
  }
}

function deploymentOf(record: ServiceRecord, id: string): Deployment | undefined {
  return record.deployments.findLast((one) => one.id === id);
}

/** What a deployment brought: a label, and of containers exactly which image. */
export type Run = Pick<Deployment, 'release' | 'image' | 'digest'>;

/**
 * What served before, if it was another release or another image; null when nothing did. `rollback` goes there, so what
 * was rolled back itself is none of it.
 */
export function previousRun(record: ServiceRecord): Run | null {
  // Both flips of such a deployment, there and back, are left out: what served before it serves again.
  const rolledBack = new Set(record.deployments.filter(({ phase }) => phase === 'rolled-back').map(({ id }) => id));
  let present: Run | null = null;
  for (const flip of record.flips.toReversed()) {
    if (flip.deployment !== null && rolledBack.has(flip.deployment)) continue;
    const run = runOf(record, flip);
    if (run === null) continue;
    present ??= run;
    if (run.release !== present.release || run.digest !== present.digest) return run;
  }
  return null;
}

function runOf(record: ServiceRecord, { to, release, at }: Written<Flipped>): Run | null {
  if (release === null) return null;
  const by = record.deployments.findLast((one) => one.color === to && one.release === release && one.startedAt <= at);
  return { release, image: by?.image ?? null, digest: by?.digest ?? null };
}

export interface HistoryEntry {
  kind: 'deployment' | 'flip';
  id: string;
  service: string;
  release: string | null;
  color: Color;
  /** Null for a flip. */
  phase: Deployment['phase'] | null;
  reason: string;
  by: string;
  startedAt: string;
  finishedAt: string | null;
}

/** Newest first: deployments, and what was switched by hand. */
export function historyOf(record: ServiceRecord): HistoryEntry[] {
  const deployments = record.deployments.map((one): HistoryEntry => {
    const { id, service, release, color, phase, reason, by, startedAt, finishedAt } = one;
    return { kind: 'deployment', id, service, release, color, phase, reason, by, startedAt, finishedAt };
  });
  const flips = record.flips
    .filter((flip) => flip.deployment === null)
    .map(({ service, release, to, by, at, generation }): HistoryEntry => {
      const when = { startedAt: at, finishedAt: at };
      return {
        kind: 'flip',
        id: `${service}-${generation}`,
        service,
        release,
        color: to,
        phase: null,
        reason: 'manual-flip',
        by,
        ...when,
      };
    });
  return [...deployments, ...flips].sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0));
}
