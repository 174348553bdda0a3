/**
 * Counts requests in the zone `turnout_traffic`. Keys: `<upstream>.<worker pid>.` for started, and the same followed by
 * a status class and a duration bucket for finished, or by `F` for failed over, so that an end is ONE write. In flight
 * is started less the ends.
 */

/** Counts the start now and the end when the request's pool dies. One call per request: a second hook replaces the first. */
export function tally(r: NginxHTTPRequest, traffic: NgxSharedDict<number>, upstream: string, first: boolean): void {
  const key = `${upstream}.${process.pid}.`;
  traffic.incr(key, 1, 0);
  njs.on('exit', () => {
    // A failover has booked the first color's end, and the status is the other one's.
    if (first && r.variables.turnout_failed) return;
    const status = r.status;
    // Text compares in the order of time while the lengths are the same: $request_time is seconds with three decimals.
    const time = r.variables.request_time as string;
    let bucket = 'm';
    if (time.length === 5) {
      if (time <= '0.040') bucket = time <= '0.010' ? (time <= '0.005' ? 'a' : 'b') : time <= '0.020' ? 'c' : 'd';
      else if (time <= '0.640') bucket = time <= '0.160' ? (time <= '0.080' ? 'e' : 'f') : time <= '0.320' ? 'g' : 'h';
      else if (time <= '2.560') bucket = time <= '1.280' ? 'i' : 'j';
      else bucket = time <= '5.120' ? 'k' : 'l';
    } else if (time.length === 6 && time <= '10.240') bucket = 'l';
    // 499 and a request that never got a status were ended by the client.
    traffic.incr(key + (status === 499 || status === 0 ? 9 : Math.floor(status / 100)) + bucket, 1, 0);
  });
}
