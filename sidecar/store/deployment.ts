import type { Color } from '../../njs/route.ts';

/** While traffic was never touched: a failure removes the new color and nobody notices. */
export type BeforeTraffic = 'starting' | 'gating' | 'warming' | 'waiting' | 'switching';
/** Past the point of no return, the first weight above 0: a failure moves traffic back first and explains afterwards. */
export type AfterTraffic = 'shifting' | 'baking';
export type EndPhase = 'live' | 'failed' | 'rolled-back' | 'superseded' | 'needs-operator';
export type Phase = BeforeTraffic | AfterTraffic | EndPhase;

const ENDS: readonly Phase[] = ['live', 'failed', 'rolled-back', 'superseded', 'needs-operator'];

export function isEnd(phase: Phase): phase is EndPhase {
  return ENDS.includes(phase);
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

export interface Receipt {
  /** From accepted to the switch; null when nothing was switched. */
  switchedAfterMs: number | null;
  /** Null until the old color is gone: what was in flight when it was stopped, and whether the drain limit had passed. */
  retired: { color: Color; inFlight: number; limitHit: boolean; at: string } | null;
}

/** One attempt to bring a release live. */
export interface Deployment extends PhaseChange {
  id: string;
  service: string;
  release: string;
  /** The release that served when it was accepted; null when there was none. */
  previous: string | null;
  color: Color;
  slots: number[];
  by: string;
  /** ISO 8601 */
  startedAt: string;
  /** ISO 8601; null while it runs. */
  finishedAt: string | null;
  /** Oldest first; the last one is the present phase. */
  steps: PhaseChange[];
  receipt: Receipt;
}
