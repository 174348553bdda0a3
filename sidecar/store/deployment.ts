import type { Color } from '../../njs/route.ts';
import type { Mark } from '../watch/counts.ts';

/** While traffic was never touched: a failure removes the new color and nobody notices. */
export type BeforeTraffic = 'starting' | 'gating' | 'warming' | 'waiting' | 'switching';
/** Past the point of no return, the first weight above 0: a failure moves traffic back first and explains afterwards. */
export type AfterTraffic = 'shifting' | 'baking';
export type EndPhase = 'live' | 'failed' | 'rolled-back' | 'superseded' | 'needs-operator';
export type Phase = BeforeTraffic | AfterTraffic | EndPhase;

const ENDS: readonly Phase[] = ['live', 'failed', 'rolled-back', 'superseded', 'needs-operator'];
const AFTER: readonly Phase[] = ['shifting', 'baking'];

export function isEnd(phase: Phase): phase is EndPhase {
  return ENDS.includes(phase);
}

export function hadTraffic(phase: Phase): phase is AfterTraffic {
  return AFTER.includes(phase);
}

/** One phase that a deployment entered. */
export interface PhaseChange {
  phase: Phase;
  /** A stable code. */
  reason: string;
  /** Prose for people. */
  message: string;
  /** ISO 8601 */
  since: string;
}

/** Milliseconds: upper bounds of histogram buckets. Null: no request, or slower than the last bound. */
export interface Quantiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** What happened, from the gateway's own counters. */
export interface Receipt {
  /** Requests that finished between accepted and the end, by color and status class. */
  requests: Record<Color, Record<string, number>>;
  /** Of those: 5xx. */
  failed: number;
  failedOver: number;
  /** From accepted to the switch; null when nothing was switched. */
  switchedAfterMs: number | null;
  /** How long the gateway took to take the switch over; null when it was made by hand. */
  switchMs: number | null;
  /** Longest time in which no request finished, between the first and the last; looked at every 100 ms. Null without requests. */
  longestGapMs: number | null;
  /** Of the old color up to the switch, and of the new one from there to the end. */
  latency: { before: Quantiles; after: Quantiles };
  /** The bake ended with too few requests to convict anybody. */
  inconclusive: boolean;
  /** nginx was restarted meanwhile, so what it had counted before that is missing. */
  gatewayRestarted: boolean;
  /** Null until the old color is gone: what was in flight when it was stopped, and whether the drain limit had passed. */
  retired: { color: Color; inFlight: number; limitHit: boolean; at: string } | null;
}

/** One attempt to bring a release live. */
export interface Deployment extends PhaseChange {
  id: string;
  service: string;
  release: string;
  /** The image as people write it; null: a process of this machine. */
  image: string | null;
  /** Exactly which image: `name@sha256:...`, or the id of one that no registry knows. Null until that is known. */
  digest: string | null;
  /** The release that served when it was accepted; null when there was none. */
  previous: string | null;
  color: Color;
  slots: number[];
  /** `manual`: it waits for `promote` before the switch. */
  promote: 'auto' | 'manual';
  by: string;
  /** ISO 8601 */
  startedAt: string;
  /** ISO 8601; null while it runs. */
  finishedAt: string | null;
  /** Oldest first; the last one is the present phase. */
  steps: PhaseChange[];
  /** Null until it has ended. */
  receipt: Receipt | null;
}

/** What is remembered of a deployment beside what everybody sees. */
export interface DeploymentFacts {
  /** Counters when it was accepted and when traffic was switched to it. */
  accepted: Mark | null;
  switched: Mark | null;
  switchedAfterMs: number | null;
  switchMs: number | null;
  longestGapMs: number | null;
  /** Hooks that have run, by name. */
  hooks: Record<string, boolean>;
  /** Somebody said `promote`. */
  promotedBy: string | null;
  /** Why it is lost; null while it is not. */
  failing: { reason: string; message: string } | null;
}
