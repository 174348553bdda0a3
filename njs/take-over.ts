/**
 * Where a request goes that nginx could not get answered by the color that pick() chose: to the other color, if that one is
 * ready and the request may be sent again; else `turnout_refused`. Books the first color's end.
 */
import { type Color, otherColor, type Route, upstreamName } from './route.ts';

/** Methods that may be sent twice (RFC 9110, 9.2.1: safe). Any other only if nobody has seen it: no connection was made. */
const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

export function takeOver(r: NginxHTTPRequest, zones: NgxGlobalShared): string {
  const failed = r.variables.turnout_upstream as string;
  const unseen = !/\d/.test(r.variables.upstream_connect_time || '');
  if (failed === 'turnout_none' || !(unseen || SAFE.indexOf(r.method) >= 0)) return 'turnout_refused';
  const route = JSON.parse((zones.turnout_routes as NgxSharedDict<string>).get('@SERVICE@/route') as string) as Route;
  const color = otherColor(failed.split('.')[1] as Color);
  const other = route.colors[color];
  if (!other.ready || other.slots.length === 0) return 'turnout_refused';
  (zones.turnout_traffic as NgxSharedDict<number>).incr(`${r.variables.pid}${failed}F`, 1);
  r.variables.turnout_time = 'x';
  return upstreamName('@SERVICE@', color, other.slots);
}
