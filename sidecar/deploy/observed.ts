import type { Color, Route } from '../../njs/route.ts';
import type { Health } from '../health/watch.ts';
import type { Replica } from '../runtime/runtime.ts';

/** One snapshot of the world, as far as one service goes. Everything decide() knows beside the record. */
export interface Observed {
  /** Null: the gateway knows none; 'unknown': it did not answer. */
  route: Route | null | 'unknown';
  replicas: ObservedReplica[];
  /** Requests in flight, read while a color drains; null when they were not or could not be read. */
  inFlight: Record<Color, number> | null;
  /** True once a draining color was seen with nothing in flight twice, far enough apart. */
  quiet: Record<Color, boolean>;
  /** Whether the running deployment's color has answered through nginx. */
  proven: boolean;
  /** Why it has not, the last time it was tried; '' before that. */
  proofFailure: string;
  /** Slots, as `blue-1`, whose replica died lately and is not started again yet. */
  resting: ReadonlySet<string>;
}

export interface ObservedReplica extends Replica {
  health: Health;
}

/** Does the route send requests to this color? */
export function takesTraffic(route: Route | null, color: Color): boolean {
  return route !== null && route.weights[color] > 0;
}

export function replicasOf(observed: Observed, color: Color): ObservedReplica[] {
  return observed.replicas.filter((replica) => replica.color === color);
}
