import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { identify, isAlive, type ProcessIdentity, processGroup } from '../process-identity.ts';

/** The running master of this gateway; null when there is none. Its pid is its process group, because nginx calls setsid. */
export function findMaster(folder: string): ProcessIdentity | null {
  const pid = recordedMaster(folder);
  const identity = pid === null ? null : identify(pid);
  return identity && isAlive(identity) && hasLogOpen(folder, identity.pid) ? identity : null;
}

/** The living processes of the gateway whose master is, or was, `pid`. */
export function findMembers(folder: string, pid: number | null): number[] {
  return pid === null ? [] : processGroup(pid).filter((member) => hasLogOpen(folder, member));
}

/** What the pid file says, dead or alive; null without one. */
export function recordedMaster(folder: string): number | null {
  try {
    const pid = Number(readFileSync(join(folder, 'nginx.pid'), 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** A pid can be used again; only our nginx has our error log open. */
function hasLogOpen(folder: string, pid: number): boolean {
  try {
    const files = `/proc/${pid}/fd`;
    return readdirSync(files).some((fd) => linkOf(`${files}/${fd}`).startsWith(join(folder, 'error.log')));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
