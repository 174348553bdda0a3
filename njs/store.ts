/** A service's route where it is kept: under two keys of the zone `turnout_routes`, and in a file with the previous one beside it. */
import fs from 'fs';
import { formatRoute, parseRoute, plainUpstream, type Route } from './route.ts';

const zone = () => ngx.shared.turnout_routes as NgxSharedDict<string>;
const fileOf = (service: string) => `${turnout_gateway.routes}${service}.json`;

/** The route in force; null when neither the zone nor a readable file holds one. */
export function readRoute(service: string): Route | null {
  const held = parseRoute(service, zone().get(`${service}/route`));
  if (held) return held;
  return parseRoute(service, readText(fileOf(service))) || parseRoute(service, readText(`${fileOf(service)}.previous`));
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8') as unknown as string;
  } catch (_) {
    return undefined;
  }
}

/** As if it had never been: the keys, then the files. */
export function forgetRoute(service: string): void {
  zone().delete(service);
  zone().delete(`${service}/route`);
  unlinkIfThere(fileOf(service));
  unlinkIfThere(`${fileOf(service)}.previous`);
}

function unlinkIfThere(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch (_) {
    // It was not there.
  }
}

/**
 * Puts the route in force: the file first, so that what was acknowledged survives, then the zone. Answers whether the
 * file was written; when it was not and `force` is not given, nothing has changed.
 */
export function writeRoute(route: Route, force: boolean): boolean {
  const persisted = persist(route);
  if (!persisted && !force) return false;
  const text = formatRoute(persisted ? route : Object.assign({}, route, { persisted: false }));
  try {
    // The complete route first: while the plain key is empty, and before it names another upstream, it already decides.
    zone().set(`${route.service}/route`, text);
    zone().set(route.service, plainUpstream(route));
  } catch (error) {
    if (persisted) revert(route.service);
    throw error;
  }
  return persisted;
}

function persist(route: Route): boolean {
  const file = fileOf(route.service);
  const fresh = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(fresh, formatRoute(route), { mode: 0o600 });
    // Only a whole route becomes the previous one: a torn file must not push a good one out.
    if (parseRoute(route.service, readText(file))) {
      // ext4 writes a file out when it is to replace another one, and all requests of this worker would wait for the disk.
      unlinkIfThere(`${file}.previous`);
      fs.renameSync(file, `${file}.previous`);
    }
    fs.renameSync(fresh, file);
    return true;
  } catch (_) {
    try {
      if (readText(file) === undefined && parseRoute(route.service, readText(`${file}.previous`))) revert(route.service);
      fs.unlinkSync(fresh);
    } catch (_) {
      // Nothing was there to clean up.
    }
    return false;
  }
}

function revert(service: string): void {
  fs.renameSync(`${fileOf(service)}.previous`, fileOf(service));
}
