/** What the gateway counted for a service; the sidecar compiles the same file. */
import type { Color } from './route.ts';

/** Upper bounds in milliseconds; the thirteenth bucket has none. Bucket letters `a` to `m` stand for them in the keys. */
export const BUCKETS = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240];

export interface ColorTraffic {
  inFlight: number;
  started: number;
  /** By status class: 1xx (a protocol was switched), 2xx ... 5xx, 499. */
  finished: { [statusClass: string]: number };
  /** How many finished within each bound of BUCKETS, not cumulated; the last is everything slower. */
  durations: number[];
  /** Ended here because the other color took them over; not among `finished`. */
  failedOver: number;
  /** In flight by the set of slots that was picked, e.g. "1-2"; sets with none are left out. */
  inFlightBySet: { [set: string]: number };
}

export interface Traffic {
  service: string;
  /** Another one: the counters began anew, because nginx was restarted. */
  epoch: string;
  buckets: number[];
  colors: Record<Color, ColorTraffic>;
}
