import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessIdentity } from '../../process-identity.ts';
import { groupLeaders, identify, livingProcesses } from '../../process-identity.ts';
import type { ReplicaSpec, Slot } from '../runtime.ts';

const MARK = 'TURNOUT_REPLICA';
/** `1` in the environment of a hook: it belongs to a deployment, not to a replica. */
const HOOK = 'TURNOUT_HOOK';

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

/** Ids hold no `|`; folders may, and then one's mark can begin like another's. */
function idIn(mark: string, state: string): string | null {
  const bar = mark.lastIndexOf('|');
  return mark.slice(0, bar) === state ? mark.slice(bar + 1) : null;
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
  const bearer = readBearer(pid, state);
  if (!bearer) return null;
  const { id, env, process } = bearer;
  return {
    id,
    service: env.get('TURNOUT_SERVICE') ?? '',
    color: env.get('TURNOUT_COLOR') as Stray['color'],
    slot: Number(env.get('TURNOUT_SLOT')),
    address: env.get('TURNOUT_ADDRESS') ?? '',
    release: env.get('TURNOUT_RELEASE') ?? '',
    deployment: env.get('TURNOUT_DEPLOYMENT') ?? '',
    process,
  };
}

/** A process that carries a mark of this state folder and may do so. */
export interface Bearer {
  id: string;
  process: ProcessIdentity;
}

/** All of them but hooks and this process. */
export function findBearers(state: string): Bearer[] {
  // One look for those that carry no mark, which are nearly all; what has ended has no environment any more.
  const marked = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && readEnvironment(pid) !== null);
  const bearers = marked.map((pid) => readBearer(pid, state)).filter((bearer) => bearer !== null);
  return bearers.filter(({ env }) => env.get(HOOK) !== '1');
}

/** The id of the replica that this very process belongs to, if any, else empty. */
export function ownId(state: string): string {
  return idIn(process.env[MARK] ?? '', state) ?? '';
}

function readBearer(pid: number, state: string): (Bearer & { env: Map<string, string> }) | null {
  // Identified first: should the pid change hands meanwhile, what is read belongs to none that can be signalled.
  const process = identify(pid);
  const env = process && readEnvironment(pid);
  const id = env && idIn(env.get(MARK) ?? '', state);
  return id && isOurs(pid) ? { id, process, env } : null;
}

/**
 * Anybody can write our mark into an environment; only our own user's processes may claim to be a replica. Asked of its
 * status, since the folder's owner is root for what may not be dumped. And a container has state folders of its own, that
 * may be called the same.
 */
function isOurs(pid: number): boolean {
  try {
    const [, real, effective] = /^Uid:\t(\d+)\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    const user = String(process.geteuid?.());
    return real === user && effective === user && readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid');
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
