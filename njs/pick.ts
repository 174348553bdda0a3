/**
 * The request path: one read of the shared dict names the upstream. Total, synchronous, silent. Rendered once per
 * service with the literals below, because a literal costs nothing and a variable does.
 */
import { decide } from './decide.ts';
import { tally } from './tally.ts';

function pick(r: NginxHTTPRequest): string {
  let upstream: string | undefined;
  try {
    const zones = ngx.shared;
    upstream = (zones.turnout_routes as NgxSharedDict<string>).get('@SERVICE@');
    if (!upstream) upstream = decide('@SERVICE@', '@ROUTES@');
    // A counter that cannot be written must not stop the routing: the name is known by now.
    if (upstream !== 'turnout_none') tally(r, zones.turnout_traffic as NgxSharedDict<number>, upstream, true);
  } catch (_) {}
  return upstream || 'turnout_none';
}

export default pick;
