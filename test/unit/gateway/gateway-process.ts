import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const { pid } of children.splice(0)) {
    try {
      process.kill(-pid!, 'SIGKILL');
    } catch {
      // Ended by itself meanwhile.
    }
  }
});

/**
 * A process that looks like the master of that folder's gateway: it leads a group of its own, has the error log open, and
 * the pid file names it. It has one child, which looks like a worker, and lives until it is killed.
 */
export function pretendMaster(folder: string): { child: ChildProcess; pid: number } {
  const worker = `require('node:child_process').spawn('sleep', ['600'], { stdio: 'inherit' }); setInterval(() => {}, 1e6);`;
  const child = start(folder, [process.execPath, '-e', worker]);
  writeFileSync(join(folder, 'nginx.pid'), `${child.pid}\n`);
  return { child, pid: child.pid! };
}

/** A process in a group of its own; with the folder's error log open unless it is null. */
export function start(folder: string | null, [program, ...words]: [string, ...string[]]): ChildProcess {
  const log = folder === null ? 'ignore' : openSync(join(folder, 'error.log'), 'a');
  const child = spawn(program, words, { detached: true, stdio: ['ignore', 'ignore', log] });
  if (typeof log === 'number') closeSync(log);
  children.push(child);
  return child;
}
