import type { Breach } from '../../njs/conviction.ts';
import type { Guard } from '../../njs/guard.ts';
import type { Color, Route } from '../../njs/route.ts';
import type { Health } from '../health/watch.ts';
import type { Replica } from '../runtime/runtime.ts';
import type { Mark } from '../watch/counts.ts';
import type { HookName } from './step.ts';

/** One snapshot of the world, as far as one service goes. Everything decide() knows beside the record. */
export interface Observed {
  /** Null: the gateway knows none; 'unknown': it did not answer. */
  route: Route | null | 'unknown';
  replicas: ObservedReplica[];
  /** What the gateway has counted; null when it was not or could not be read. */
  traffic: Mark | null;
  /** Requests in flight; null when they were not or could not be read. */
  inFlight: Record<Color, number> | null;
  /** True once a draining color was seen with nothing in flight twice, far enough apart. */
  quiet: Record<Color, boolean>;
  /** Slots, as `blue-1`, that are out of the route and drained, or were out for longer than the drain limit. */
  quietSlots: ReadonlySet<string>;
  /** What the running deployment's color has been through. */
  trial: Trial;
  /** The check, warm-up or hook that runs in the background now; null: none. */
  busy: TaskName | null;
  /** The guard in the gateway, while the running deployment has traffic or has just lost it; null: there is none, or it is not asked. */
  guard: Guard | null;
  /** What the baking color uses and says, as far as that convicts it; null: nothing does. */
  bakeBreach: Breach | null;
  /** Replicas of the running deployment that died since its switch. */
  restarts: number;
  /** Slots whose replica died lately and is not started again yet. */
  resting: ReadonlySet<string>;
}

export type TaskName = 'prepare' | 'prove' | 'warm' | 'smoke' | HookName;

/** Progress that is not worth the journal: a restarted sidecar does it again. */
export interface Trial {
  /** Its image is here. */
  prepared: boolean;
  /** How far the image is on its way, in prose; '' when it is not. */
  progress: string;
  /** It has answered through nginx. */
  proven: boolean;
  /** Why it has not, the last time it was tried; '' before that. */
  proofFailure: string;
  warmed: boolean;
  smoked: boolean;
  /** Why a smoke check failed; null while none has. */
  smokeFailure: string | null;
}

export interface ObservedReplica extends Replica {
  health: Health;
}

/** Does the route send requests to this color? */
export function takesTraffic(route: Route | null, color: Color): boolean {
  return route !== null && route.weights[color] > 0;
}

/** Does the route name slots of this color, so that it could be switched to? */
export function isNamed(route: Route | null, color: Color): boolean {
  return route !== null && route.colors[color].slots.length > 0;
}

export function replicasOf(observed: Observed, color: Color): ObservedReplica[] {
  return observed.replicas.filter((replica) => replica.color === color);
}

export function slotKey(color: Color, slot: number): string {
  return `${color}-${slot}`;
}
