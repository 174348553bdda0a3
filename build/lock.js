import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartFailure } from './failure.js';

/** How often a waiting start looks again, in ms. */
const POLL = 50;
/** From when on a waiting start says so, in ms. */
const QUIET = 1000;

/**
 * Runs `work` while no other process does so under the same lock. The lock is a folder with one file, named after its owner.
 * It is made elsewhere and renamed into place, which only works while the place is absent or empty: so it never exists without
 * naming its owner. A dead owner's file is removed by its own name: whoever is late removes nothing of the next owner's.
 *
 * @template T
 * @param {string} folder the lock's path; its parent is made when absent
 * @param {() => Promise<T>} work
 * @param {{ log?: (line: string) => void, limit?: number }} [options] limit: how long to wait, in ms; default 10 minutes
 * @returns {Promise<T>}
 */
export async function withLock(folder, work, { log = () => {}, limit = 600_000 } = {}) {
  const owner = `${process.pid}-${startTime(process.pid)}-${randomBytes(4).toString('hex')}`;
  const mine = `${folder}.${owner}`;
  try {
    mkdirSync(mine, { recursive: true, mode: 0o700 });
    writeFileSync(join(mine, owner), '');
  } catch (error) {
    throw new StartFailure(`cannot write to ${dirname(folder)}: ${error.message}`, 8);
  }
  try {
    await take(folder, mine, limit, log);
  } finally {
    rmSync(mine, { recursive: true, force: true });
  }
  sweep(folder);
  try {
    return await work();
  } finally {
    rmSync(join(folder, owner), { force: true });
    removeEmpty(folder);
  }
}

async function take(folder, mine, limit, log) {
  const begun = performance.now();
  let told = false;
  while (!moved(mine, folder)) {
    const holder = ownerOf(folder);
    if (holder && !isAlive(holder)) {
      rmSync(join(folder, holder), { force: true });
      continue;
    }
    const waited = performance.now() - begun;
    const who = holder ? `process ${holder.split('-')[0]}` : 'another process';
    if (waited > limit) throw new StartFailure(`waited ${Math.round(limit / 1000)} s for ${who}, which holds ${folder}`, 8);
    if (waited > QUIET && !told) {
      log(`waiting for ${who}, which is doing the same`);
      told = true;
    }
    await sleep(POLL);
  }
}

function moved(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  }
}

function ownerOf(folder) {
  try {
    return readdirSync(folder)[0];
  } catch {
    return undefined;
  }
}

/** A pid alone may have been given to somebody else since: the start time tells. A zombie holds nothing. */
function isAlive(owner) {
  const [pid, started] = owner.split('-');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return startTime(pid) === started;
}

/** In clock ticks since boot, from /proc; '0' for a zombie, and where there is no /proc, so that the pid alone decides. */
function startTime(pid) {
  try {
    // The name in field 2 may contain blanks and brackets: count from the last bracket.
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '0' : fields[19];
  } catch {
    return '0';
  }
}

/** What waiting processes that were killed have left beside the lock. */
function sweep(folder) {
  const prefix = `${basename(folder)}.`;
  for (const name of readdirSync(dirname(folder))) {
    if (!/^\d+-\d+-[0-9a-f]{8}$/.test(name.slice(prefix.length)) || !name.startsWith(prefix)) continue;
    if (!isAlive(name.slice(prefix.length))) rmSync(join(dirname(folder), name), { recursive: true, force: true });
  }
}

/** Somebody may have moved in already: then it is theirs. */
function removeEmpty(folder) {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code)) throw error;
  }
}
