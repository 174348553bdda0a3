import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine, writeNameless } from './files.ts';
import { type Finding, ok, warn } from './finding.ts';

/** Milliseconds that are nobody's fault. */
const TOLERATED = 2000;

/** The wall clock against a file written now, and against the newest line of the journal. `state` null: not known. */
export function checkClock(state: string | null, now: () => number = Date.now): Finding {
  const said: string[] = [];
  const written = [state, tmpdir()].map((folder) => (folder === null ? null : writeNameless(folder)));
  const fresh = written.find((one) => one !== null && 'mtimeMs' in one);
  if (fresh && 'mtimeMs' in fresh && Math.abs(fresh.mtimeMs - now()) > TOLERATED) {
    said.push(`a file that is written now is ${distance(fresh.mtimeMs, now())}`);
  }
  const newest = state === null ? null : newestEntry(join(state, 'journal.jsonl'));
  if (newest !== null && newest - now() > TOLERATED) {
    said.push(`the newest line of the journal, of ${new Date(newest).toISOString()}, is ${distance(newest, now())}`);
  }
  const date = new Date(now()).toISOString();
  if (said.length > 0) {
    return warn(
      'clock',
      `it is ${date} here; ${said.join('; ')}`,
      'set the clock (`timedatectl status` tells whether it is kept by NTP)',
    );
  }
  return ok('clock', `${date}${newest === null ? '' : `, the journal ends ${distance(newest, now())}`}`);
}

function newestEntry(journal: string): number | null {
  try {
    const at = Date.parse((JSON.parse(lastLine(journal)) as { at: string }).at);
    return Number.isNaN(at) ? null : at;
  } catch {
    // A torn or missing journal is not the clock's fault.
    return null;
  }
}

function distance(time: number, now: number): string {
  const seconds = Math.round(Math.abs(time - now) / 1000);
  return `${seconds} s in the ${time > now ? 'future' : 'past'}`;
}
