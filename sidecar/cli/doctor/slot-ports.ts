import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { isAlive, type ProcessIdentity, processGroup } from '../../process-identity.ts';
import { findBearers } from '../../runtime/process/environment.ts';
import { errorCode, read } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { describeProcess, holders, inTheWay, type Listener, userName } from './listeners.ts';

interface Place {
  service: string;
  color: string;
  slot: string;
  port: number;
}

/** The ports of slots: free, or held by a replica of this state folder. */
export function checkSlots(config: Config, all: Listener[]): Finding {
  const file = join(config.state, 'slots.json');
  const stored = read(file);
  if ('error' in stored) return stored.error === 'ENOENT' ? checkRange(config, all) : unreadable(file, stored.error);
  let places: Place[];
  try {
    places = placesOf(stored.text);
  } catch (error) {
    return unreadable(file, errorCode(error));
  }
  // A look at every process' environment: only when somebody listens at all.
  const taken = places.map((place) => ({ place, by: inTheWay({ host: '127.0.0.1', port: place.port }, all) }));
  const marked = taken.some(({ by }) => by.length > 0)
    ? new Set(findBearers(config.state).map((one) => one.process.pid))
    : new Set<number>();
  const said: Finding[] = [];
  let running = 0;
  for (const { place, by } of taken) {
    if (by.length === 0) continue;
    const pids = holders(by);
    const ours = new Set([...marked, ...recordedGroup(config.state, place)]);
    const stranger = pids.find((pid) => !ours.has(pid));
    const where = `127.0.0.1:${place.port}, slot ${place.slot} of ${place.color} of ${place.service},`;
    if (stranger !== undefined) {
      said.push(fail('slots', `${where} is held by another process: ${describeProcess(stranger)}`, REMEDY));
    } else if (pids.length === 0) {
      said.push(
        warn('slots', `${where} is held by a process of user ${userName(by[0]!.uid)}, which this user may not look at`, REMEDY),
      );
    } else running++;
  }
  if (said.length === 0) return ok('slots', `${places.length} ports, ${running} held by replicas, the others free`);
  const worst = said.some(({ result }) => result === 'fail') ? fail : warn;
  return worst('slots', said.map(({ found }) => found).join('\n'), REMEDY);
}

const REMEDY = 'stop that process: a slot keeps its port, and a deployment into it fails meanwhile';

function unreadable(file: string, why: string): Finding {
  if (why === 'EACCES') return warn('slots', `${file} cannot be read: EACCES`, 'call doctor as the owner of the state folder');
  return fail(
    'slots',
    `${file} cannot be read: ${why}`,
    'replicas listen on the ports it names: restore it, or stop everything and remove the state folder',
  );
}

function placesOf(text: string): Place[] {
  const services = JSON.parse(text) as Record<string, Record<string, Record<string, number>>>;
  return Object.entries(services).flatMap(([service, colors]) =>
    Object.entries(colors).flatMap(([color, slots]) =>
      Object.entries(slots).map(([slot, port]) => ({ service, color, slot, port })),
    ),
  );
}

/** Also a replica that has overwritten its environment, and its children. */
function recordedGroup(state: string, { service, color, slot }: Place): number[] {
  const record = read(join(state, 'replicas', service, `${color}-${slot}.json`));
  if ('error' in record) return [];
  try {
    const leader = (JSON.parse(record.text) as { process: ProcessIdentity }).process;
    return isAlive(leader) ? processGroup(leader.pid) : [];
  } catch {
    return [];
  }
}

/** Before the first start: are there enough? */
function checkRange({ ports: { from, to }, services }: Config, all: Listener[]): Finding {
  const needed = services.reduce((sum, { maxReplicas }) => sum + 2 * maxReplicas, 0);
  const range = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const free = range.filter((port) => inTheWay({ host: '127.0.0.1', port }, all).length === 0).length;
  const found = `not given out yet: ${needed} are needed, ${free} of ${from}-${to} are free`;
  return free >= needed ? ok('slots', found) : fail('slots', found, 'give `ports` in turnout.yaml a wider range below 32768');
}
