/** Milliseconds before the second try, doubling up to the longest. */
const FIRST = 1000;
const LONGEST = 60_000;
const TRIES = 8;
/** Milliseconds since an event was published, after which it is not tried again. */
const PATIENCE = 600_000;

/**
 * Milliseconds to wait after the `tries`-th try, or null to give up. Between the half and the whole of the step, so that
 * many senders don't come back as one. `random` is from 0 to 1, `age` in milliseconds.
 */
export function backoff({ tries, age, random }: { tries: number; age: number; random: number }): number | null {
  const step = Math.min(FIRST * 2 ** (tries - 1), LONGEST);
  const delay = Math.round((step * (1 + random)) / 2);
  return tries >= TRIES || age + delay > PATIENCE ? null : delay;
}
