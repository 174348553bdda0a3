import { GUARD } from '../../njs/guard.ts';
import type { Verdict } from '../health/verdict.ts';
import { type AfterTraffic, type BeforeTraffic, type Deployment, type EndPhase, isEnd } from '../store/deployment.ts';
import type { Flipped } from '../store/events.ts';
import type { Written } from '../store/journal.ts';

export const RESULTS: readonly EndPhase[] = ['live', 'failed', 'rolled-back', 'superseded', 'needs-operator'];
export const SWITCHERS = ['deployment', 'manual', 'guard'] as const;
/** Upper bounds in seconds: from a check that passes at once to a night of waiting for somebody. */
export const PHASE_BOUNDS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800];
/** Those that a deployment can leave again. */
export const PHASES: readonly (BeforeTraffic | AfterTraffic)[] = [
  'starting',
  'gating',
  'warming',
  'waiting',
  'switching',
  'shifting',
  'baking',
];

export interface Durations {
  /** Per bucket, not cumulated. */
  counts: number[];
  /** Milliseconds: whole ones add up without an error. */
  sum: number;
}

/** What has happened to one service since this process started; each only grows. */
export interface Tally {
  deployments: Record<EndPhase, number>;
  phases: Record<BeforeTraffic | AfterTraffic, Durations>;
  switches: Record<(typeof SWITCHERS)[number], number>;
  probes: { ok: number; failed: number };
  drains: { quiet: number; limit: number };
  restarts: number;
}

/** Counts what the journal tells, and health checks, which it does not tell. */
export class Happened {
  private readonly tallies = new Map<string, Tally>();

  of(service: string): Tally {
    const known = this.tallies.get(service) ?? nothing();
    this.tallies.set(service, known);
    return known;
  }

  /** Lets go of every other service. */
  keepOnly(services: readonly string[]): void {
    for (const service of this.tallies.keys()) if (!services.includes(service)) this.tallies.delete(service);
  }

  /** `deployment` is the service's last one, this event included. */
  take(event: Written, deployment: Deployment | null): void {
    const tally = this.of(event.service);
    if (event.kind === 'phase') {
      if (isEnd(event.phase)) tally.deployments[event.phase]++;
      if (deployment?.id === event.deployment) leave(tally, deployment);
    }
    if (event.kind === 'flip') tally.switches[switcher(event)]++;
    if (event.kind === 'retired') tally.drains[event.limitHit ? 'limit' : 'quiet']++;
    if (event.kind === 'outcome' && event.ok && event.step.startsWith('revive ')) tally.restarts++;
  }

  probed(service: string, verdict: Verdict): void {
    if (!verdict.unasked) this.of(service).probes[verdict.ok ? 'ok' : 'failed']++;
  }
}

/** The phase that the deployment has just left took so long. */
function leave(tally: Tally, { steps }: Deployment): void {
  const [left, entered] = steps.slice(-2);
  if (!left || !entered || isEnd(left.phase)) return;
  // Both stand in the journal, so a restart in between does not matter; the wall clock may have been set back.
  const took = Math.max(0, Date.parse(entered.since) - Date.parse(left.since));
  const durations = tally.phases[left.phase];
  const within = PHASE_BOUNDS.findIndex((bound) => took <= bound * 1000);
  const bucket = within === -1 ? PHASE_BOUNDS.length : within;
  durations.counts[bucket] = (durations.counts[bucket] ?? 0) + 1;
  durations.sum += took;
}

function switcher({ by, deployment }: Flipped): (typeof SWITCHERS)[number] {
  if (by === GUARD) return 'guard';
  return deployment === null ? 'manual' : 'deployment';
}

function none(): Durations {
  return { counts: [...PHASE_BOUNDS.map(() => 0), 0], sum: 0 };
}

function nothing(): Tally {
  return {
    deployments: { live: 0, failed: 0, 'rolled-back': 0, superseded: 0, 'needs-operator': 0 },
    phases: Object.fromEntries(PHASES.map((phase) => [phase, none()])) as Tally['phases'],
    switches: { deployment: 0, manual: 0, guard: 0 },
    probes: { ok: 0, failed: 0 },
    drains: { quiet: 0, limit: 0 },
    restarts: 0,
  };
}
