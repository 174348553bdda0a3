import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';

/** Milliseconds between two looks at a process that is followed and nobody's child here. */
const SELDOM = 900;

/** Whether a process lives, by a look now and then. True until it is known which. */
export function seldom(leader: Promise<ProcessIdentity | null>): () => boolean {
  let known: ProcessIdentity | null = null;
  let alive = true;
  let lookedAt = Number.NEGATIVE_INFINITY;
  leader.then(
    (process) => {
      known = process;
    },
    () => {},
  );
  return () => {
    const now = performance.now();
    if (known && alive && now - lookedAt >= SELDOM) {
      lookedAt = now;
      alive = isAlive(known);
    }
    return alive;
  };
}
