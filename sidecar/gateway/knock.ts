import { request } from 'node:http';
import type { Clock } from '../clock.ts';

/** Milliseconds that a fresh connection may take to be answered. */
const PATIENCE = 700;
/** Milliseconds by which our own timer may be late before its word does not count. */
const LATE = 300;

export interface Knocked {
  answer: 'answered' | 'silent' | 'unknown';
  /** The one that the answering worker runs with; null without an answer that names one. */
  configuration: string | null;
}

/**
 * One fresh connection to the control socket. `silent`: nothing was answered in time although this process' own event
 * loop ran on time; `unknown`: it did not, so nothing is known.
 */
export function knock(socketPath: string, clock: Clock): Promise<Knocked> {
  return new Promise((resolve) => {
    const started = clock.now();
    const call = request({ socketPath, path: '/v1/health', agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.once('end', () => finish('answered', configurationIn(body)));
    });
    const timer = setTimeout(() => finish(clock.now() - started > PATIENCE + LATE ? 'unknown' : 'silent'), PATIENCE);
    const finish = (answer: Knocked['answer'], configuration: string | null = null) => {
      clearTimeout(timer);
      call.destroy();
      resolve({ answer, configuration });
    };
    // A refused connection is an answer of the kernel: nobody listens, so the master's death will be seen.
    call.once('error', () => finish('unknown'));
    call.end();
  });
}

function configurationIn(body: string): string | null {
  try {
    return (JSON.parse(body) as { configuration?: string }).configuration ?? null;
  } catch {
    return null;
  }
}
