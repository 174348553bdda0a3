/**
 * A lock in the shared dict that survives the death of its holder. The zone has no compare-and-set, so a dead holder's
 * lock is never deleted: whoever is first to add the marker of that very holding takes the lock over by writing itself in.
 */

/** Milliseconds between two tries, and until giving up. */
const RETRY = 2;
const PATIENCE = 2000;

/** Is this worker, or a former one of this master, still running? A zombie is not. */
export function isWorker(fs: { readFileSync(path: string, encoding: 'utf8'): string }, pid: string): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] !== 'Z' && fields[0] !== 'X' && Number(fields[1]) === process.ppid;
  } catch (_) {
    return false;
  }
}

/**
 * Runs `critical`, which must be synchronous, while holding the lock. Resolves to undefined when the lock could not be
 * had within 2 s, which takes a worker that was stopped while holding it.
 */
export async function locked<T>(
  zone: NgxSharedDict<string>,
  name: string,
  me: string,
  alive: (pid: string) => boolean,
  critical: () => T,
): Promise<T | undefined> {
  const key = `/lock/${name}`;
  const until = Date.now() + PATIENCE;
  while (!acquire(zone, key, me, alive)) {
    if (Date.now() > until) return undefined;
    await new Promise((resolve) => setTimeout(() => resolve(undefined), RETRY));
  }
  try {
    return critical();
  } finally {
    zone.delete(key);
  }
}

function acquire(zone: NgxSharedDict<string>, key: string, me: string, alive: (pid: string) => boolean): boolean {
  if (zone.add(key, me)) return true;
  const holder = zone.get(key);
  if (holder === undefined || alive(holder.split('.')[0] as string)) return false;
  // Whoever died while taking over has left a mark: then it is that one's turn which is taken over.
  let mark = `${key}/broken/${holder}`;
  while (!zone.add(mark, me)) {
    const taker = zone.get(mark);
    if (taker === undefined || taker === me || alive(taker.split('.')[0] as string)) return false;
    mark = `${key}/broken/${taker}`;
  }
  if (zone.get(key) !== holder) {
    zone.delete(mark);
    return false;
  }
  zone.set(key, me);
  return true;
}
