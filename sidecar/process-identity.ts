import { readdirSync, readFileSync } from 'node:fs';

/** Tells a process from every other one that had, or will have, the same pid. Plain data: it survives a file. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks between boot and its start, as the kernel prints them. */
  startTime: string;
  /** Start times begin anew with each boot. */
  bootId: string;
}

interface ProcessStat {
  /** One letter; Z is a zombie, X is dead. */
  state: string;
  group: number;
  startTime: string;
}

const ENDED = new Set(['Z', 'X', 'x']);

let bootId: string | undefined;

/** Null when there is no such process. A zombie that nobody has waited for still has an identity, but is not alive. */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readStat(pid);
  return stat && { pid, startTime: stat.startTime, bootId: readBootId() };
}

/** False also when the pid belongs to another process by now. */
export function isAlive(identity: ProcessIdentity): boolean {
  let stat: ProcessStat | null;
  try {
    stat = readStat(identity.pid);
  } catch {
    // This machine is short of something; that is no death.
    return true;
  }
  return stat !== null && !ENDED.has(stat.state) && stat.startTime === identity.startTime && identity.bootId === readBootId();
}

/** The living members of a process group, its leader included. */
export function processGroup(pgid: number): number[] {
  return livingProcesses((_, stat) => stat.group === pgid);
}

/** All living processes that lead a process group of their own. */
export function groupLeaders(): number[] {
  return livingProcesses((pid, stat) => stat.group === pid);
}

/** All living processes, or those that pass. */
export function livingProcesses(passes: (pid: number, stat: ProcessStat) => boolean = () => true): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readStat(pid);
    if (stat && !ENDED.has(stat.state) && passes(pid, stat)) found.push(pid);
  }
  return found;
}

function readStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
  // The program's name stands second, in parentheses, and may hold spaces and parentheses itself: what follows the
  // last one is fields 3 and up.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, , group] = fields;
  const startTime = fields[22 - 3];
  return state && group && startTime ? { state, group: Number(group), startTime } : null;
}

function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return bootId;
}
