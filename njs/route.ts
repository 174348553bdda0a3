/**
 * The route of a service: everything the gateway needs to decide, and its text form. njs and the sidecar compile this
 * same file, so it imports nothing and keeps to what njs' classic engine has: ES2017 without destructuring, spread,
 * default arguments, `for of` and classes. The bundler refuses those.
 */

export type Color = 'blue' | 'green';

export const COLORS: readonly Color[] = ['blue', 'green'];

export interface RouteColor {
  /** The slots that take traffic, ascending; empty when nothing runs there. */
  slots: number[];
  release: string | null;
  /** Gate, warm-up and smoke have passed. */
  ready: boolean;
}

export interface Route {
  service: string;
  /** Grows by one with each change; the ETag. */
  generation: number;
  /** The color last switched to. */
  active: Color;
  /** Integers that sum to 100 and decide who gets a request. */
  weights: { blue: number; green: number };
  colors: { blue: RouteColor; green: RouteColor };
  paused: boolean;
  changedBy: string;
  /** ISO 8601 */
  changedAt: string;
  /** False: in memory alone, because the disk did not take it. Absent otherwise. */
  persisted?: boolean;
}

export function isColor(value: unknown): value is Color {
  return value === 'blue' || value === 'green';
}

export function otherColor(color: Color): Color {
  return color === 'blue' ? 'green' : 'blue';
}

/** The `upstream{}` block of a set of slots: `backend.blue.1-2`. */
export function upstreamName(service: string, color: Color, slots: readonly number[]): string {
  return `${service}.${color}.${slots.join('-')}`;
}

/** The upstream that takes every request, or '' when the route is not that plain. */
export function plainUpstream(route: Route): string {
  const color = route.active;
  if (route.weights[color] !== 100) return '';
  return upstreamName(route.service, color, route.colors[color].slots);
}

/** Every set of slots that a route may name, for a color of so many slots: all subsets of the first three, then prefixes and prefixes less one. */
export function slotSets(maxReplicas: number): number[][] {
  const sets: number[][] = [];
  const few = Math.min(maxReplicas, 3);
  for (let bits = 1; bits < 1 << few; bits++) {
    sets.push([1, 2, 3].filter((slot) => bits & (1 << (slot - 1))));
  }
  for (let size = 4; size <= maxReplicas; size++) {
    const prefix: number[] = [];
    for (let slot = 1; slot <= size; slot++) prefix.push(slot);
    sets.push(prefix);
    for (let out = 1; out < size; out++) sets.push(prefix.filter((slot) => slot !== out));
  }
  return sets;
}

/** Why `value` cannot be a route, in words; null when it can. Reads `active`, `weights`, `colors` and `paused` only. */
export function routeProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected a JSON object';
  const route = value as Partial<Route>;
  if (!isColor(route.active)) return `active is ${JSON.stringify(route.active)}, expected "blue" or "green"`;
  if (typeof route.weights !== 'object' || route.weights === null) return 'weights is missing, expected {"blue":100,"green":0}';
  if (typeof route.colors !== 'object' || route.colors === null)
    return 'colors is missing, expected {"blue":{...},"green":{...}}';
  let sum = 0;
  for (let i = 0; i < COLORS.length; i++) {
    const color = COLORS[i] as Color;
    const problem = colorProblem(color, route.colors[color], route.weights[color]);
    if (problem) return problem;
    sum += route.weights[color];
  }
  if (sum !== 100) return `weights sum to ${sum}, expected 100`;
  if (route.weights[route.active] === 0) return `weights.${route.active} is 0, but ${route.active} is the active color`;
  if (route.paused !== undefined && route.paused !== false)
    return `paused is ${JSON.stringify(route.paused)}, expected false: pausing does not work yet`;
  return null;
}

function colorProblem(color: Color, state: Partial<RouteColor> | undefined, weight: unknown): string | null {
  if (typeof weight !== 'number' || !Number.isInteger(weight) || weight < 0 || weight > 100) {
    return `weights.${color} is ${JSON.stringify(weight)}, expected an integer from 0 to 100`;
  }
  if (typeof state !== 'object' || state === null)
    return `colors.${color} is missing, expected {"slots":[],"release":null,"ready":false}`;
  const slots = state.slots;
  if (
    !Array.isArray(slots) ||
    slots.some((slot, i) => !Number.isInteger(slot) || slot < 1 || (i > 0 && slot <= (slots[i - 1] as number)))
  ) {
    return `colors.${color}.slots is ${JSON.stringify(slots)}, expected ascending slot numbers such as [1,2]`;
  }
  if (state.release !== null && typeof state.release !== 'string')
    return `colors.${color}.release is ${JSON.stringify(state.release)}, expected a string or null`;
  if (typeof state.ready !== 'boolean') return `colors.${color}.ready is ${JSON.stringify(state.ready)}, expected true or false`;
  if (weight > 0 && slots.length === 0) return `weights.${color} is ${weight}, but ${color} has no slots: nothing runs there`;
  return null;
}

/** The route in a file's or key's text; null when it is missing, torn or not a route of that service. */
export function parseRoute(service: string, text: string | undefined): Route | null {
  if (!text) return null;
  try {
    const value = JSON.parse(text) as Route;
    return routeProblem(value) === null && value.service === service && Number.isInteger(value.generation) ? value : null;
  } catch (_) {
    return null;
  }
}

export function formatRoute(route: Route): string {
  return `${JSON.stringify(route)}\n`;
}
