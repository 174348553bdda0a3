import { readFileSync, realpathSync, statfsSync } from 'node:fs';
import { writeNameless } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { nearest } from './state-folder.ts';

const MEGABYTE = 1_000_000;
/** Below these a warning: journal, logs and releases grow. */
const LEAST_SPACE = 100 * MEGABYTE;
const LEAST_INODES = 0.05;

/** Errors by which a file system says that it takes nothing more. Others mean that it cannot make nameless files. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS']);

export interface Room {
  /** Bytes that this user may still write. */
  free: number;
  /** null: the file system does not count them. */
  inodes: { free: number; all: number } | null;
}

/** The file system that the state folder is on, or will be on. */
export function checkDisk(state: string): Finding {
  const folder = realpathSync(nearest(state));
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  const room = { free: bavail * bsize, inodes: files > 0 ? { free: ffree, all: files } : null };
  // Of a folder that is not ours yet, only a full disk is of interest.
  const written = writeNameless(folder);
  return judgeRoom(room, mountOf(folder), 'error' in written && FULL.has(written.error) ? written.error : null);
}

export function judgeRoom({ free, inodes }: Room, where: string, error: string | null): Finding {
  const remedy = 'free space there, or give `state` in turnout.yaml another place';
  const share = inodes ? inodes.free / inodes.all : 1;
  const counted = inodes ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the inodes` : 'no limit of inodes';
  const found = `${Math.floor(free / MEGABYTE).toLocaleString('en')} MB and ${counted} free on ${where}`;
  if (error !== null) return fail('disk', `${found}, but it takes no file: ${error}`, remedy);
  if (free === 0 || inodes?.free === 0) return fail('disk', found, remedy);
  if (free < LEAST_SPACE) return warn('disk', `${found}; expected at least ${LEAST_SPACE / MEGABYTE} MB`, remedy);
  if (share < LEAST_INODES) return warn('disk', `${found}; expected at least ${LEAST_INODES * 100} %`, remedy);
  return ok('disk', found);
}

/** `ext4, mounted at /srv`. */
function mountOf(folder: string): string {
  try {
    return parseMount(readFileSync('/proc/self/mountinfo', 'utf8'), folder);
  } catch {
    return 'an unknown file system';
  }
}

/** The longest mount point above the folder; of two at one place the later one is on top. */
export function parseMount(mountinfo: string, folder: string): string {
  let best = { point: '', type: 'an unknown file system' };
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const point = (before.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const above = point === '/' || folder === point || folder.startsWith(`${point}/`);
    if (point !== '' && above && point.length >= best.point.length) best = { point, type: after.split(' ')[0] ?? '' };
  }
  return best.point === '' ? best.type : `${best.type}, mounted at ${best.point}`;
}
