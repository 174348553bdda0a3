/** Reads what pick() counted, and lets go of what a dead worker left in flight. */
import fs from 'fs';
import { isWorker } from './lock.ts';
import type { Color } from './route.ts';
import { BUCKETS, type ColorTraffic, type Traffic } from './traffic.ts';

/** Keys read at most: services x sets x workers x (1 + classes x buckets) stays far below. */
const ALL = 1_000_000;

/** As pick() writes them: worker, service, color, set of slots, and of an end the bucket and the status class. */
const KEY = /^(\d+)([a-z][^.]*)\.([a-z]+)\.([\d-]+)(?:([a-mF])(\d?))?$/;

const CLASSES: { [digit: string]: string } = { 1: '1xx', 2: '2xx', 3: '3xx', 4: '4xx', 5: '5xx', 9: '499' };

/** Call it while holding the traffic lock: folding moves counts from one key to another. */
export function readTraffic(service: string): Traffic {
  return readTraffics([service])[0] as Traffic;
}

/** As readTraffic: of many services one pass costs no more than of one. */
export function readTraffics(services: string[]): Traffic[] {
  const zone = ngx.shared.turnout_traffic as NgxSharedDict<number>;
  // Without a prototype: a service may be called constructor.
  const all: { [service: string]: Record<Color, ColorTraffic> } = Object.create(null);
  services.forEach((service) => {
    all[service] = { blue: nothing(), green: nothing() };
  });
  const alive: { [pid: string]: boolean } = { 0: true };
  zone.items(ALL).forEach((item) => {
    const key = item[0] as string;
    const count = item[1] as number;
    const parts = KEY.exec(key);
    const colors = parts && all[parts[2] as string];
    if (!colors) return;
    const pid = parts[1] as string;
    const traffic = colors[parts[3] as Color];
    const set = parts[4] as string;
    const bucket = parts[5];
    if (alive[pid] === undefined) alive[pid] = isWorker(fs, pid);
    if (!alive[pid]) fold(zone, key, `0${key.slice(pid.length)}`, count);
    const running = alive[pid] && pid !== '0';
    if (bucket === undefined) {
      traffic.started += count;
      inFlight(traffic, set, running ? count : 0);
    } else {
      inFlight(traffic, set, running ? -count : 0);
      if (bucket === 'F') traffic.failedOver += count;
      else {
        const statusClass = CLASSES[parts[6] as string] as string;
        traffic.finished[statusClass] = (traffic.finished[statusClass] || 0) + count;
        const index = bucket.charCodeAt(0) - 97;
        traffic.durations[index] = (traffic.durations[index] as number) + count;
      }
    }
  });
  const present = epoch();
  return services.map((service) => {
    const colors = all[service] as Record<Color, ColorTraffic>;
    dropZeros(colors.blue.inFlightBySet);
    dropZeros(colors.green.inFlightBySet);
    return { service, epoch: present, buckets: BUCKETS, colors };
  });
}

function inFlight(traffic: ColorTraffic, set: string, count: number): void {
  traffic.inFlight += count;
  traffic.inFlightBySet[set] = (traffic.inFlightBySet[set] || 0) + count;
}

function dropZeros(bySet: { [set: string]: number }): void {
  Object.keys(bySet).forEach((set) => {
    if (bySet[set] === 0) delete bySet[set];
  });
}

/** Lives as long as the zones: whoever asks first names it. */
function epoch(): string {
  const routes = ngx.shared.turnout_routes as NgxSharedDict<string>;
  routes.add('/epoch', `${Date.now()}.${process.pid}`);
  return routes.get('/epoch') as string;
}

/** A dead worker's counts go to pid 0, whose requests are never in flight. */
function fold(zone: NgxSharedDict<number>, key: string, into: string, count: number): void {
  zone.incr(into, count, 0);
  zone.delete(key);
}

function nothing(): ColorTraffic {
  return {
    inFlight: 0,
    started: 0,
    finished: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0, '499': 0 },
    durations: BUCKETS.map(() => 0).concat(0),
    failedOver: 0,
    inFlightBySet: {},
  };
}
