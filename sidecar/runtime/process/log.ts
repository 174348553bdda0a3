import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { Slot } from '../runtime.ts';

/** Log files that stay per color and slot; the oldest go first. */
const KEPT = 10;
/** Bytes that a tail reads at most. */
const TAIL = 64 * 1024;
/** Bytes that the begin of the last lines is looked for in at most, and bytes per read. */
const LOOK_BACK = 1024 * 1024;
const STEP = 64 * 1024;

const NEWLINE = 0x0a;

/** `<state>/logs/<service>/<color>-<slot>-<deployment>.log` */
export function logPath(state: string, { service, color, slot, deployment }: Slot & { deployment: string }): string {
  return join(state, 'logs', service, `${color}-${slot}-${deployment}.log`);
}

/** Open for appending; `from` is the size it had before. */
export async function openLog(path: string): Promise<{ file: FileHandle; from: number }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'a', 0o600);
  try {
    return { file, from: (await file.stat()).size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Takes away a log that nothing was written to. */
export async function discardEmptyLog(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.size === 0) await rm(path, { force: true }).catch(() => {});
}

/** Removes the older logs of the slot that `path` belongs to. What can't be removed stays: no reason not to start. */
export async function pruneLogs(path: string, slot: Slot): Promise<void> {
  const folder = dirname(path);
  const prefix = `${slot.color}-${slot.slot}-`;
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(prefix) && name.endsWith('.log'));
  const others = names.filter((name) => name !== basename(path)).map((name) => join(folder, name));
  const dated = await Promise.all(
    others.map(async (other) => {
      const found = await stat(other).catch(() => null);
      return { other, time: found?.mtimeMs ?? 0 };
    }),
  );
  dated.sort((a, b) => b.time - a.time);
  for (const { other } of dated.slice(KEPT - 1)) await rm(other, { force: true }).catch(() => {});
}

/** The last lines after the byte `from`, oldest first. */
export async function tailLog(path: string, from: number, lines: number): Promise<string[]> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (!file) return [];
  try {
    const { size } = await file.stat();
    // A file that is shorter than it was has been emptied by somebody since: all of it is new.
    const begin = from <= size ? from : 0;
    const start = Math.max(begin, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const all = buffer.toString('utf8', 0, bytesRead).split('\n');
    if (all.at(-1) === '') all.pop();
    // Cut in the middle of a line; a single line that is longer than the window is better shown cut than not at all.
    if (start > begin && all.length > 1) all.shift();
    return lines > 0 ? all.slice(-lines) : [];
  } finally {
    await file.close();
  }
}

/** Where the last lines before `end` begin, of those after `from`; a last one without its newline counts. `end` when `lines` is 0. */
export async function lastLinesFrom(file: FileHandle, from: number, end: number, lines: number): Promise<number> {
  const own = from <= end ? from : 0;
  const begin = Math.max(own, end - LOOK_BACK);
  const buffer = Buffer.allocUnsafe(STEP);
  let first = end;
  for (let upTo = end, found = 0; upTo > begin && found < lines; ) {
    const start = Math.max(begin, upTo - STEP);
    const { bytesRead } = await file.read(buffer, 0, upTo - start, start);
    for (let at = bytesRead - 1; at >= 0 && found < lines; at--) {
      // The newline at the very end ends the last line, it begins none.
      if (buffer[at] !== NEWLINE || start + at === end - 1) continue;
      first = start + at + 1;
      found += 1;
    }
    // What begins before the look back is no whole line.
    if (start === own && found < lines) first = own;
    upTo = start;
  }
  return first;
}
