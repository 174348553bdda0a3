import { request } from 'node:http';
import type { Clock } from '../clock.ts';

/** Milliseconds that a fresh connection may take to be answered. */
const PATIENCE = 700;
/** Milliseconds by which our own timer may be late before its word does not count. */
const LATE = 300;

/**
 * One fresh connection to the control socket. `silent`: nothing was answered in time although this process' own event
 * loop ran on time; `unknown`: it did not, so nothing is known.
 */
export function knock(socketPath: string, clock: Clock): Promise<'answered' | 'silent' | 'unknown'> {
  return new Promise((resolve) => {
    const started = clock.now();
    const call = request({ socketPath, path: '/v1/health', agent: false }, (answer) => {
      answer.resume();
      answer.once('end', () => finish('answered'));
    });
    const timer = setTimeout(() => finish(clock.now() - started > PATIENCE + LATE ? 'unknown' : 'silent'), PATIENCE);
    const finish = (result: 'answered' | 'silent' | 'unknown') => {
      clearTimeout(timer);
      call.destroy();
      resolve(result);
    };
    // A refused connection is an answer of the kernel: nobody listens, so the master's death will be seen.
    call.once('error', () => finish('unknown'));
    call.end();
  });
}
