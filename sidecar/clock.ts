/** Time, injected so that tests can be its master. Durations are always measured with `now()`. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** The wall clock, for people. May jump. */
  date(): Date;
  /** Resolves after `ms` milliseconds, or at once and without an error when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * As `sleep`, for what goes on for months and need not be punctual: from 250 ms on it ends up to 125 ms sooner or later,
   * at the same moment as others that rest. To be woken costs this process 0.2 ms, mostly more than what it does then.
   */
  rest(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Milliseconds between the moments at which a rest ends. */
const TURN = 250;

/** Who rests until the same moment, at most: what more of them do at once would hold up everything else. */
const CROWD = 16;

/** Milliseconds from `wall`, a wall clock's time, to the end of a rest of `ms`. */
export function restFrom(wall: number, ms: number): number {
  return ms < TURN ? ms : Math.round((wall + ms) / TURN) * TURN - wall;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep,
  rest,
};

/** How many rest, by the end of their rest on the wall clock. */
const resting = new Map<number, number>();

async function rest(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms < TURN) return sleep(ms, signal);
  const wall = Date.now();
  const end = wall + restFrom(wall, ms);
  const others = resting.get(end) ?? 0;
  if (others >= CROWD) return sleep(ms, signal);
  resting.set(end, others + 1);
  await sleep(end - wall, signal);
  const left = (resting.get(end) as number) - 1;
  if (left > 0) resting.set(end, left);
  else resting.delete(end);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
