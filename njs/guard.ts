/**
 * The guard of a switch: it watches the color that has just got the traffic and moves it back, with or without a sidecar.
 * Pure; watch.ts calls it a few times a second, control() takes it. The sidecar's model compiles the same file.
 */
import { type Breach, type Counts, convict, type Limits, minus } from './conviction.ts';
import { type Color, isColor, type Route } from './route.ts';
import type { Traffic } from './traffic.ts';

export interface Guard {
  service: string;
  /** Whose switch it watches. */
  deployment: string;
  /** Of the route that it watches; may lie ahead, since it is armed before the switch. Any other change ends its watch. */
  generation: number;
  /** The color that is watched, and the one that takes the traffic on a breach. */
  color: Color;
  fallback: Color;
  /** Milliseconds since 1970. */
  until: number;
  limits: Limits;
  /** What the color had answered before: only the rest is judged. Counters of another epoch have begun anew. */
  epoch: string;
  baseline: Counts;
  /** Null until it has moved the traffic back. */
  fired: Fired | null;
}

export interface Fired extends Breach {
  /** ISO 8601 */
  at: string;
  /** Of the route that it has written. */
  generation: number;
}

/** Who the guard is, in `changedBy`. */
export const GUARD = 'guard';

/** What of the color's counters concerns the guard. */
function counted(guard: Guard, traffic: Traffic): Counts {
  const now = traffic.colors[guard.color];
  return traffic.epoch === guard.epoch ? minus(now, guard.baseline) : now;
}

/** Does it watch this route now? */
export function watches(guard: Guard, route: Route | null, now: number): boolean {
  return (
    route !== null &&
    guard.fired === null &&
    now < guard.until &&
    route.generation === guard.generation &&
    route.active === guard.color &&
    route.colors[guard.fallback].slots.length > 0
  );
}

export function breach(guard: Guard, traffic: Traffic): Breach | null {
  return convict(counted(guard, traffic), guard.limits);
}

/** The route with all traffic back, and the convicted color not ready any more: one write. */
export function movedBack(guard: Guard, route: Route, changedAt: string): Route {
  const weights = guard.fallback === 'blue' ? { blue: 100, green: 0 } : { blue: 0, green: 100 };
  const lost = Object.assign({}, route.colors[guard.color], { ready: false });
  const colors = guard.color === 'blue' ? { blue: lost, green: route.colors.green } : { blue: route.colors.blue, green: lost };
  return {
    service: route.service,
    generation: route.generation + 1,
    active: guard.fallback,
    weights,
    colors,
    paused: false,
    changedBy: GUARD,
    changedAt,
  };
}

/** Why this cannot be a guard, in words; null when it can. */
export function guardProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return 'expected a JSON object';
  const guard = value as Partial<Guard>;
  if (typeof guard.deployment !== 'string') return `deployment is ${JSON.stringify(guard.deployment)}, expected its id`;
  if (!natural(guard.generation)) return `generation is ${JSON.stringify(guard.generation)}, expected a whole number`;
  if (!isColor(guard.color)) return `color is ${JSON.stringify(guard.color)}, expected "blue" or "green"`;
  if (!isColor(guard.fallback) || guard.fallback === guard.color)
    return `fallback is ${JSON.stringify(guard.fallback)}, expected the other color than ${guard.color}`;
  if (!natural(guard.until)) return `until is ${JSON.stringify(guard.until)}, expected milliseconds since 1970`;
  if (typeof guard.epoch !== 'string') return `epoch is ${JSON.stringify(guard.epoch)}, expected that of the traffic`;
  return limitsProblem(guard.limits) || baselineProblem(guard.baseline);
}

function limitsProblem(limits: Partial<Limits> | undefined): string | null {
  if (typeof limits !== 'object' || limits === null) return 'limits is missing';
  if (!natural(limits.minRequests) || limits.minRequests === 0)
    return `limits.minRequests is ${JSON.stringify(limits.minRequests)}, expected a whole number above 0`;
  const rate = limits.maxErrorRate;
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1))
    return `limits.maxErrorRate is ${JSON.stringify(rate)}, expected a share from 0 to 1`;
  const p99 = limits.maxP99;
  if (p99 !== null && !(typeof p99 === 'number' && p99 > 0))
    return `limits.maxP99 is ${JSON.stringify(p99)}, expected milliseconds above 0, or null`;
  return null;
}

function baselineProblem(baseline: Partial<Counts> | undefined): string | null {
  const whole =
    typeof baseline === 'object' &&
    baseline !== null &&
    typeof baseline.finished === 'object' &&
    baseline.finished !== null &&
    Array.isArray(baseline.durations) &&
    typeof baseline.failedOver === 'number';
  return whole ? null : 'baseline is not what GET /v1/traffic tells of a color';
}

function natural(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
