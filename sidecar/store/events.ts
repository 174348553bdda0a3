import type { Color } from '../../njs/route.ts';
import type { Phase } from './deployment.ts';

interface OfService {
  service: string;
}

interface OfDeployment extends OfService {
  deployment: string;
}

export interface Accepted extends OfDeployment {
  kind: 'accepted';
  release: string;
  previous: string | null;
  color: Color;
  slots: number[];
  by: string;
}

export interface PhaseEntered extends OfDeployment {
  kind: 'phase';
  phase: Phase;
  reason: string;
  message: string;
}

/** The deployment is lost; what it started is removed before it ends. */
export interface Failing extends OfDeployment {
  kind: 'failing';
  reason: string;
  message: string;
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

export type JournalEvent = Accepted | PhaseEntered | Failing | Flipped | Retiring | Retired | Intent | Outcome;
