/**
 * The slow way of the request path: a route that is not plain, or one that the zone does not hold yet (nginx has just
 * started) and that its file does. Keeps the file's word for the next request, unless control() was faster.
 */
import { plainUpstream, type Route, upstreamName } from './route.ts';

export function decide(service: string, folder: string): string {
  const routes = ngx.shared.turnout_routes as NgxSharedDict<string>;
  let text = routes.get(`${service}/route`);
  if (!text) {
    const file = `${folder}${service}.json`;
    text = readWhole(file) || readWhole(`${file}.previous`);
    if (!text) return 'turnout_none';
  }
  const route = JSON.parse(text) as Route;
  const upstream = plainUpstream(route);
  if (upstream) {
    // The complete route first: whoever finds the plain key also finds the rest.
    routes.add(`${service}/route`, text);
    routes.add(service, upstream);
    return routes.get(service) || upstream;
  }
  const color = Math.random() * 100 < route.weights.blue ? 'blue' : 'green';
  return upstreamName(service, color, route.colors[color].slots);
}

/** The text of a file that holds a route; undefined when it is missing or torn. */
function readWhole(file: string): string | undefined {
  try {
    const text = njsRequire('fs').readFileSync(file, 'utf8');
    const route = JSON.parse(text) as Route;
    return route.colors[route.active].slots.length > 0 && route.weights ? text : undefined;
  } catch (_) {
    return undefined;
  }
}
