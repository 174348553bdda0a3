import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds that all threads of these processes have run, in user space and in the kernel. */
export function cpuTime(pids: number[]): number {
  return pids
    .flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`))
    .map((file) => Number(readFileSync(file, 'utf8').split(' ')[0]))
    .reduce((sum, one) => sum + one, 0);
}

/** Bytes of memory that these processes have for themselves, with their share of what they have in common. */
export function memory(pids: number[]): number {
  const share = (pid: number) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
  return pids.map(share).reduce((sum, one) => sum + one, 0);
}

/** The process, its children and theirs. */
export function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

/** Lets these run on that core alone, with all their threads. */
export function pin(core: number, pids: number[]): void {
  for (const pid of pids) execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

/** How long what a measurement before this one has ended may take to be gone, in seconds. */
const PATIENCE = 20;

/** Rejects when something else uses the machine: what is measured beside another run is wrong. */
export async function assertQuiet(): Promise<void> {
  let busy = 1;
  for (let second = 0; second < PATIENCE; second++) {
    const before = ticks();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const after = ticks();
    busy = 1 - (after.idle - before.idle) / (after.all - before.all);
    if (busy <= 0.05) return;
  }
  throw new Error(`the machine is ${(busy * 100).toFixed(0)} % busy with something else: measure when nothing else runs`);
}

function ticks(): { idle: number; all: number } {
  const [user, nice, system, idle, iowait, ...rest] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] as string)
    .split(/\s+/)
    .slice(1)
    .map(Number) as [number, number, number, number, number, ...number[]];
  const busy = [user, nice, system, ...rest.slice(0, 3)].reduce((sum, one) => sum + one, 0);
  return { idle: idle + iowait, all: busy + idle + iowait };
}
