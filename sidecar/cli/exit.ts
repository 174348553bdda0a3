import type { Phase } from '../store/deployment.ts';

/** Exit codes beside those of errors.ts. */
export const DONE = 0;
export const WAIT_TIMED_OUT = 9;
export const INTERRUPTED = 130;

/** What a deployment's end means to a script. */
export function exitCodeOf(phase: Phase): number {
  switch (phase) {
    case 'live':
      return DONE;
    case 'failed':
      return 4;
    case 'rolled-back':
      return 5;
    default:
      return 6;
  }
}
