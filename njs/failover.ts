/**
 * Where a request goes that nginx could not get answered by the color that pick() chose: to the other color, if that one is
 * ready and the request may be sent again. Rendered once per service, as pick() is.
 */
import { type Color, otherColor, type Route, upstreamName } from './route.ts';
import { tally } from './tally.ts';

/** Methods that may be sent twice (RFC 9110, 9.2.1: safe). Any other only if nobody has seen it: no connection was made. */
const SAFE = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

function failover(r: NginxHTTPRequest): string {
  try {
    const failed = r.variables['turnout_upstream_@VARIABLE@'] as string;
    const zones = ngx.shared;
    const unseen = !/\d/.test(r.variables.upstream_connect_time || '');
    if (failed === 'turnout_none' || !(unseen || SAFE.indexOf(r.method) >= 0)) return 'turnout_refused';
    const route = JSON.parse((zones.turnout_routes as NgxSharedDict<string>).get('@SERVICE@/route') as string) as Route;
    const color = otherColor(failed.split('.')[1] as Color);
    const other = route.colors[color];
    if (!other.ready || other.slots.length === 0) return 'turnout_refused';
    const upstream = upstreamName('@SERVICE@', color, other.slots);
    const traffic = zones.turnout_traffic as NgxSharedDict<number>;
    traffic.incr(`${failed}.${process.pid}.F`, 1, 0);
    r.variables.turnout_failed = '1';
    tally(r, traffic, upstream, false);
    return upstream;
  } catch (_) {
    return 'turnout_refused';
  }
}

export default failover;
