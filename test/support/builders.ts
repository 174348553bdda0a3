import { type Color, otherColor, type Route, type RouteColor } from '../../njs/route.ts';
import type { Observed, ObservedReplica, Trial } from '../../sidecar/deploy/observed.ts';
import type { Health, HealthState } from '../../sidecar/health/watch.ts';
import type { Replica } from '../../sidecar/runtime/runtime.ts';

export const EMPTY: RouteColor = { slots: [], release: null, ready: false };

export interface RouteParts {
  blue?: Partial<RouteColor>;
  green?: Partial<RouteColor>;
  weights?: Route['weights'];
  generation?: number;
  changedBy?: string;
}

/** All traffic goes to `active`, which runs v1 in slot 1; the other color is empty. */
export function routeTo(active: Color, { blue, green, weights, generation = 7, changedBy = 'tester' }: RouteParts = {}): Route {
  const serving: RouteColor = { slots: [1], release: 'v1', ready: true };
  const of = (color: Color, given: Partial<RouteColor> = {}) => ({ ...(color === active ? serving : EMPTY), ...given });
  return {
    service: 'backend',
    generation,
    active,
    weights: weights ?? ({ [active]: 100, [otherColor(active)]: 0 } as Route['weights']),
    colors: { blue: of('blue', blue), green: of('green', green) },
    paused: false,
    changedBy,
    changedAt: '2026-01-01T00:00:00.000Z',
  };
}

/** A slot that a route names and that may be switched to. */
export function warm(release: string, ...slots: number[]): RouteColor {
  return { slots: slots.length > 0 ? slots : [1], release, ready: true };
}

/** Living, in slot 1 of blue; its id is `blue-1`. */
export function replica(parts: Partial<Replica> = {}): Replica {
  const { color = 'blue', slot = 1, alive = true } = parts;
  return {
    id: `${color}-${slot}`,
    service: 'backend',
    color,
    slot,
    address: `127.0.0.1:${(color === 'blue' ? 20_000 : 20_100) + slot}`,
    release: 'v1',
    deployment: 'old',
    startedAt: '2026-01-01T00:00:00.000Z',
    alive,
    exit: alive ? null : { code: 1, signal: null },
    kept: null,
    ...parts,
  };
}

/** As `replica`, and healthy; `detail` is the last check's word. */
export function seen({ health = 'healthy', detail, ...parts }: SeenParts = {}): ObservedReplica {
  const last = detail === undefined ? null : { ok: health === 'healthy', answered: true, detail };
  return { ...replica(parts), health: { state: health, last } satisfies Health };
}

export type SeenParts = Partial<Replica> & { health?: HealthState; detail?: string };

/** Nothing runs and nothing is known to be quiet. */
export function observed(parts: Partial<Observed> = {}): Observed {
  return {
    route: null,
    replicas: [],
    traffic: null,
    inFlight: null,
    quiet: { blue: false, green: false },
    quietSlots: new Set(),
    trial: trial(),
    busy: null,
    bakeBreach: null,
    guard: null,
    restarts: 0,
    resting: new Set(),
    ...parts,
  };
}

/** Nothing was tried yet. */
export function trial(parts: Partial<Trial> = {}): Trial {
  const untried = { prepared: false, progress: '', proven: false, proofFailure: '' };
  return { ...untried, warmed: false, smoked: false, smokeFailure: null, ...parts };
}
