import type { Color } from '../../njs/route.ts';
import type { Mark } from '../watch/counts.ts';
import type { Phase, Receipt } from './deployment.ts';

interface OfService {
  service: string;
}

interface OfDeployment extends OfService {
  deployment: string;
}

export interface Accepted extends OfDeployment {
  kind: 'accepted';
  release: string;
  /** Absent in journals of versions that knew no images. */
  image?: string | null;
  /** Of a deployment that goes back to exactly this image. */
  digest?: string | null;
  previous: string | null;
  color: Color;
  slots: number[];
  promote: 'auto' | 'manual';
  by: string;
  /** Null: the gateway did not tell. */
  traffic: Mark | null;
}

/** The image is here. */
export interface Prepared extends OfDeployment {
  kind: 'prepared';
  digest: string;
}

export interface PhaseEntered extends OfDeployment {
  kind: 'phase';
  phase: Phase;
  reason: string;
  message: string;
  /** At the end only. */
  receipt: Receipt | null;
}

/** The deployment is lost; what it started is removed, or traffic moved back, before it ends. */
export interface Failing extends OfDeployment {
  kind: 'failing';
  reason: string;
  message: string;
}

export interface Promoted extends OfDeployment {
  kind: 'promoted';
  by: string;
}

/** Traffic moved to another color, by a deployment or by hand, as seen in the gateway's route. */
export interface Flipped extends OfService {
  kind: 'flip';
  /** Null: by hand. */
  deployment: string | null;
  from: Color | null;
  to: Color;
  fromRelease: string | null;
  release: string | null;
  slots: number[];
  generation: number;
  by: string;
  /** Counters as close before the flip as they were read; null: the gateway did not tell. */
  traffic: Mark | null;
  /** How long the write took; null when somebody else made it. */
  tookMs: number | null;
}

/** Healing is about to take slots out of a color's route, or to bring them back. */
export interface Rerouting extends OfService {
  kind: 'rerouting';
  color: Color;
  slots: number[];
  /** Slots that are out, and shall return. */
  out: number[];
}

export interface Retiring extends OfService {
  kind: 'retiring';
  color: Color;
  reason: string;
}

export interface Retired extends OfService {
  kind: 'retired';
  color: Color;
  inFlight: number;
  limitHit: boolean;
}

export interface HookRan extends OfDeployment {
  kind: 'hook';
  hook: string;
  ok: boolean;
  message: string;
}

/** An effect is about to happen; `outcome` follows unless the sidecar died in between. */
export interface Intent extends OfService {
  kind: 'intent';
  deployment: string | null;
  step: string;
}

export interface Outcome extends OfService {
  kind: 'outcome';
  deployment: string | null;
  step: string;
  ok: boolean;
  /** What went wrong; '' when nothing did. */
  detail: string;
}

export type JournalEvent =
  | Accepted
  | Prepared
  | PhaseEntered
  | Failing
  | Promoted
  | Flipped
  | Rerouting
  | Retiring
  | Retired
  | HookRan
  | Intent
  | Outcome;
