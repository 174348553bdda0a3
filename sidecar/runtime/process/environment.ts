import { readFileSync, statSync } from 'node:fs';
import type { ProcessIdentity } from '../../process-identity.ts';
import { groupLeaders, identify, livingProcesses } from '../../process-identity.ts';
import type { ReplicaSpec, Slot } from '../runtime.ts';

const MARK = 'TURNOUT_REPLICA';

/** What a process says about the replica it belongs to; nothing in it has been checked. */
export interface Stray extends Slot {
  id: string;
  release: string;
  deployment: string;
  process: ProcessIdentity;
}

/** The value by which all processes of one replica are known, whatever becomes of their parents and groups. */
export function markOf(state: string, id: string): string {
  return `${state}|${id}`;
}

/**
 * The variables of a replica. The sidecar's own (TURNOUT_*) and those of the npm that may have started it stay out:
 * they would change what the application does, depending on who called. The last five of ours make a replica whose record
 * was lost a complete one again.
 */
export function replicaEnvironment(base: NodeJS.ProcessEnv, spec: ReplicaSpec, mark: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(base).filter(([name]) => !/^(turnout|npm)_/i.test(name));
  return {
    ...Object.fromEntries(inherited),
    ...spec.env,
    PORT: spec.address.slice(spec.address.lastIndexOf(':') + 1),
    TURNOUT_SERVICE: spec.service,
    TURNOUT_COLOR: spec.color,
    TURNOUT_RELEASE: spec.release,
    TURNOUT_SLOT: String(spec.slot),
    TURNOUT_ADDRESS: spec.address,
    TURNOUT_DEPLOYMENT: spec.deployment,
    [MARK]: mark,
  };
}

/** All living processes that carry the mark. One that overwrites its own environment can't be found this way. */
export function findMarked(mark: string): number[] {
  return livingProcesses().filter((pid) => readEnvironment(pid)?.get(MARK) === mark);
}

/**
 * The replicas of this state folder that run without being known by id. Descendants inherit the mark, and one that called
 * setsid leads a group as well: of several leaders the one that started first is the replica.
 */
export function findStrays(state: string, known: Set<string>): Stray[] {
  const found = new Map<string, Stray>();
  for (const pid of groupLeaders()) {
    const stray = readStray(pid, state);
    if (!stray || known.has(stray.id)) continue;
    const other = found.get(stray.id);
    if (!other || isOlder(stray.process, other.process)) found.set(stray.id, stray);
  }
  return [...found.values()];
}

function readStray(pid: number, state: string): Stray | null {
  const env = readEnvironment(pid);
  const mark = env?.get(MARK);
  const prefix = markOf(state, '');
  if (!env || !mark?.startsWith(prefix) || !isOurUser(pid)) return null;
  const identity = identify(pid);
  return (
    identity && {
      id: mark.slice(prefix.length),
      service: env.get('TURNOUT_SERVICE') ?? '',
      color: env.get('TURNOUT_COLOR') as Stray['color'],
      slot: Number(env.get('TURNOUT_SLOT')),
      address: env.get('TURNOUT_ADDRESS') ?? '',
      release: env.get('TURNOUT_RELEASE') ?? '',
      deployment: env.get('TURNOUT_DEPLOYMENT') ?? '',
      process: identity,
    }
  );
}

/** Anybody can write our mark into an environment; only our own user's processes may claim to be a replica. */
function isOurUser(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.geteuid?.();
  } catch {
    return false;
  }
}

function readEnvironment(pid: number): Map<string, string> | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return null;
  }
  if (!text.includes(`${MARK}=`)) return null;
  return new Map(
    text.split('\0').map((line): [string, string] => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
}

function isOlder(one: ProcessIdentity, other: ProcessIdentity): boolean {
  const difference = Number(one.startTime) - Number(other.startTime);
  return difference === 0 ? one.pid < other.pid : difference < 0;
}
