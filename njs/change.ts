/** What becomes of a route that somebody wants changed: the next route, or the answer that refuses it. Pure. */
import { type Answer, problem, routeAnswer } from './answer.ts';
import { COLORS, type Color, type Route, type RouteColor, routeProblem } from './route.ts';

/** PUT: the whole route is replaced; `generation`, `changedBy` and `changedAt` of the body do not count. */
export function change(
  service: string,
  current: Route | null,
  wanted: unknown,
  ifMatch: string | undefined,
  changedBy: string,
  changedAt: string,
): Route | Answer {
  const generation = current ? current.generation : 0;
  const stale = mismatch(ifMatch, generation);
  if (stale) return stale;
  const reason = routeProblem(wanted) || named(service, wanted as Route) || unrendered(service, wanted as Route);
  if (reason) {
    const found = problem(400, 'route-invalid', reason, 'Nothing was changed.');
    Object.assign(found.body, { sets: Object.keys(sets(service)) });
    return found;
  }
  const asked = wanted as Route;
  return {
    service,
    generation: generation + 1,
    active: asked.active,
    weights: { blue: asked.weights.blue, green: asked.weights.green },
    colors: { blue: only(asked.colors.blue), green: only(asked.colors.green) },
    paused: false,
    changedBy,
    changedAt,
  };
}

/** The flip: all traffic to one color. To the color that already serves it changes nothing. */
export function switchTo(
  current: Route,
  color: Color,
  ifMatch: string | undefined,
  force: boolean,
  changedBy: string,
  changedAt: string,
): Route | Answer {
  const stale = mismatch(ifMatch, current.generation);
  if (stale) return stale;
  if (current.active === color && current.weights[color] === 100) return routeAnswer(current);
  const target = current.colors[color];
  if (target.slots.length === 0)
    return problem(
      409,
      'not-ready',
      `${color} of ${current.service} is empty: nothing runs there`,
      `Deploy a release; it goes to ${color}.`,
    );
  if (!target.ready && !force)
    return problem(
      409,
      'not-ready',
      `${color} of ${current.service} is not ready`,
      'Wait until its checks have passed, or add ?force=1.',
    );
  const weights = color === 'blue' ? { blue: 100, green: 0 } : { blue: 0, green: 100 };
  return Object.assign({}, current, {
    generation: current.generation + 1,
    active: color,
    weights,
    changedBy,
    changedAt,
    persisted: undefined,
  });
}

/** If-Match: absent and `*` match whatever there is. */
function mismatch(ifMatch: string | undefined, generation: number): Answer | null {
  if (ifMatch === undefined || ifMatch.trim() === '*' || ifMatch.trim().replace(/^"(.*)"$/, '$1') === `${generation}`)
    return null;
  const found = problem(
    412,
    'route-changed',
    `If-Match is ${ifMatch}, the generation is "${generation}"`,
    'Read the route again; nothing was changed.',
  );
  return Object.assign(found, { etag: generation });
}

function named(service: string, wanted: Route): string | null {
  return wanted.service === undefined || wanted.service === service
    ? null
    : `service is "${wanted.service}", expected "${service}"`;
}

function unrendered(service: string, wanted: Route): string | null {
  for (let i = 0; i < COLORS.length; i++) {
    const color = COLORS[i] as Color;
    const set = wanted.colors[color].slots.join('-');
    if (set !== '' && !sets(service)[set]) {
      return `colors.${color}.slots is [${wanted.colors[color].slots}], expected one of the rendered sets: ${Object.keys(sets(service)).join(' ')}`;
    }
  }
  return null;
}

function sets(service: string): { [set: string]: true } {
  return turnout_gateway.services[service] || {};
}

function only(color: RouteColor): RouteColor {
  return { slots: color.slots, release: color.release, ready: color.ready };
}
