import type { State } from '../monitor/report.ts';
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

/** What a monitor's verdict means to a script; the higher, the worse. */
export function monitorExitCode(state: State): number {
  return { healthy: DONE, degraded: 10, unhealthy: 11, unknown: 12 }[state];
}
