/**
 * The request path: one read of the shared dict names the upstream, two writes count the request's start and its end. Total,
 * synchronous, silent. Rendered once per service with the literals below. Built a second time with TAKES_OVER, as
 * `failover`: for a request that the first color could not answer.
 *
 * Every request runs all of it, so it is written for njs' classic engine; docs/performance.md has what each way of writing it
 * costs. Keys of the zone `turnout_traffic`: `<worker pid><upstream>` for started, the same followed by a duration bucket and a
 * status class for finished, or by `F` for failed over. In flight is started less the ends.
 */
import { decide } from './decide.ts';
import { takeOver } from './take-over.ts';

function pick(r: NginxHTTPRequest): string {
  const zones = ngx.shared;
  const variables = r.variables;
  let upstream: string | undefined;
  try {
    if (TAKES_OVER) {
      upstream = takeOver(r, zones);
      if (upstream === 'turnout_refused') return upstream;
    } else {
      upstream = (zones.turnout_routes as NgxSharedDict<string>).get('@SERVICE@');
      if (!upstream) {
        upstream = decide('@SERVICE@', '@ROUTES@');
        if (upstream === 'turnout_none') return upstream;
      }
    }
    // A counter that cannot be written must not stop the routing: the name is known by now.
    const traffic = zones.turnout_traffic as NgxSharedDict<number>;
    const key = variables.pid + upstream;
    traffic.incr(key, 1);
    // When the request's pool dies, after everything else. One hook a request: a second replaces the first.
    njs.on('exit', () => {
      // Seconds with three decimals, else `x`. Text compares in the order of time while the lengths are the same.
      const time = (TAKES_OVER ? variables.request_time : variables.turnout_time) as string;
      let end: string;
      if (time <= '0.005') end = 'a2';
      else if (time <= '0.010') end = 'b2';
      else if (time <= '0.020') end = 'c2';
      else if (time <= '0.040') end = 'd2';
      else if (time <= '0.080') end = 'e2';
      else if (time <= '0.160') end = 'f2';
      else if (time <= '0.320') end = 'g2';
      else if (time <= '0.640') end = 'h2';
      else if (time <= '1.280') end = 'i2';
      // takeOver() has booked the first color's end, and the status is the other one's.
      else if (time === 'x') return;
      else if (time.length === 5) end = time <= '2.560' ? 'j2' : time <= '5.120' ? 'k2' : 'l2';
      else end = time.length === 6 && time <= '10.240' ? 'l2' : 'm2';
      const status = r.status;
      // 499 and a request that never got a status were ended by the client.
      if (status > 299 || status < 200) end = end.charAt(0) + (status === 499 || status === 0 ? 9 : Math.floor(status / 100));
      traffic.incr(key + end, 1);
    });
    return upstream;
  } catch (_) {}
  return upstream || (TAKES_OVER ? 'turnout_refused' : 'turnout_none');
}

export { pick as default };
