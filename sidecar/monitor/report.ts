import type { Breach } from '../../njs/conviction.ts';
import type { Color } from '../../njs/route.ts';
import type { Deployment, Quantiles } from '../store/deployment.ts';

export type State = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';

/** One thing that is wrong. */
export interface Finding {
  state: Exclude<State, 'healthy'>;
  /** A stable code. */
  reason: string;
  /** Prose, with the replica, the number and its limit. */
  message: string;
}

export interface MonitorVerdict {
  state: State;
  /** Of the worst finding; `healthy` when there is none. */
  reason: string;
  message: string;
}

/** `GET /v1/services/{s}/monitor`: what judge() decides on, and what it decided. */
export interface MonitorReport extends Looked {
  verdict: MonitorVerdict;
  /** Everything that is wrong, the worst first; the verdict is the first of them. */
  findings: Finding[];
}

/** Everything that was looked at. */
export interface Looked {
  service: string;
  /** ISO 8601 */
  at: string;
  /** Null: nothing is live, or nobody can tell. */
  active: Color | null;
  /** 0: there is no route, or nobody can tell. */
  generation: number;
  /** Whether nginx answers on its control socket; `detail` says what came instead. */
  gateway: Answering;
  /** Whether what runs can be told. */
  runtime: Answering;
  /** The running or the last one; `handled`: somebody has moved traffic by hand since it ended. */
  deployment: (Pick<Deployment, 'id' | 'release' | 'phase' | 'reason' | 'message' | 'since'> & { handled: boolean }) | null;
  limits: Limits;
  /** Colors that have replicas or traffic. */
  colors: ColorReport[];
  /** Null: not asked for. */
  smoke: SmokeReport | null;
}

export interface Answering {
  answers: boolean;
  /** '' when it answers. */
  detail: string;
}

export interface Limits {
  /** Fewer finished requests in the last minute convict nobody. */
  minRequests: number;
  /** Share from 0 to 1. */
  maxErrorRate: number;
  /** Milliseconds; null: not judged. */
  maxP99: number | null;
  /** Cores of one replica; null: not judged. */
  cpu: number | null;
  /** Bytes of one replica; null: only its growth is judged. */
  memory: number | null;
  /** Error lines of one replica in a minute; more are a finding. */
  errorLines: number;
}

export interface ColorReport {
  color: Color;
  release: string | null;
  /** Percent of the traffic. */
  weight: number;
  ready: boolean;
  /** By slot: those that run, and those that the route wants and nobody runs. */
  replicas: ReplicaReport[];
  /** Null when the gateway does not tell. */
  traffic: TrafficReport | null;
}

export interface TrafficReport {
  inFlight: number;
  /** Since a minute ago, or since traffic came to this color if that was later. */
  lastMinute: Rates;
  /** Since traffic last came to this color. Null: nobody knows what was counted before. */
  sinceSwitch: Rates | null;
  /** What the last minute convicts it of; null: nothing. */
  breach: Breach | null;
}

export interface Rates extends Quantiles {
  /** That it is the count of; null where nginx was restarted meanwhile, or that is not known. */
  seconds: number | null;
  requests: number;
  perSecond: number | null;
  /** 5xx, and what had to be taken over by the other color. */
  failed: number;
  /** Of `requests`, from 0 to 1; null without requests. */
  failedShare: number | null;
  failedOver: number;
}

/** `missing`: the route wants one in this slot, and none is there. `failing`: was healthy, and failed just now. */
export type ReplicaState = 'healthy' | 'starting' | 'failing' | 'unhealthy' | 'dead' | 'missing';

export interface ReplicaReport {
  /** E.g. `blue-1`. */
  name: string;
  slot: number;
  address: string;
  state: ReplicaState;
  /** What a check just now answered, or how it ended. */
  detail: string;
  /** Of the last 5 min. */
  checks: Checks;
  resources: ResourceReport;
  /** Since its deployment, as far as this sidecar has seen. */
  restarts: Restarts;
  errors: ErrorLines;
}

export interface Checks {
  /** Health checks of this replica that were answered well, and all of them. */
  ok: number;
  total: number;
  /** How often it went from well to ill. */
  flaps: number;
}

export interface ResourceReport {
  /** Cores, averaged over the last 10 s; null until that is known. */
  cpu: number | null;
  /** Bytes; null when it is not known. */
  memory: number | null;
  /** Bytes per minute while it grows steadily; null while it does not. */
  growth: number | null;
}

export interface Restarts {
  total: number;
  /** Of them in the last 5 min. */
  recent: number;
  /** How the one before ended, with its last line of output; '' when that is not known. */
  lastEnd: string;
}

export interface ErrorLines {
  /** Since its deployment, as far back as can be read. */
  total: number;
  /** Of them in the last minute. */
  recent: number;
  /** The latest; null: none. */
  last: string | null;
}

export interface SmokeReport {
  color: Color;
  checks: { path: string; ok: boolean; detail: string }[];
}
