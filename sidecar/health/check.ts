import { request } from 'node:http';
import type { HealthConfig } from '../config/config.ts';
import { judge, type Verdict } from './verdict.ts';

/** Bytes of an answer that are read; a health document is a few hundred. */
const LIMIT = 64 * 1024;

/** Errors of this machine, which say nothing about the replica. */
const OURS = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL']);

/** Asks one replica once, over a connection of its own. Never rejects. */
export function check(
  address: string,
  health: HealthConfig,
  signal?: AbortSignal,
  clean?: (text: string) => string,
): Promise<Verdict> {
  // Whoever says `health: none` counts as healthy as long as the process runs.
  if (health.path === null) return Promise.resolve({ ok: true, answered: true, detail: 'there is no health check' });
  const asked = `GET http://${address}${health.path}`;
  return new Promise((resolve) => {
    let answered = false;
    const timeout = AbortSignal.timeout(health.timeout);
    const ends = signal ? AbortSignal.any([timeout, signal]) : timeout;
    const failed = (error: NodeJS.ErrnoException) => {
      const why = timeout.aborted ? `gave no whole answer within ${health.timeout} ms` : `failed: ${error.code ?? error.message}`;
      const unasked = OURS.has(error.code ?? '');
      resolve({ ok: false, answered, detail: `${asked} ${why}`, ...(unasked ? { unasked } : {}) });
    };
    const call = request(
      `http://${address}${health.path}`,
      { agent: false, signal: ends, headers: { 'user-agent': 'turnout' } },
      (answer) => {
        answered = true;
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (text: string) => {
          if (body.length < LIMIT) body += text;
        });
        answer.once('error', failed);
        answer.once('end', () => resolve(judge(asked, answer.statusCode ?? 0, body, health.expect, clean)));
      },
    );
    call.once('error', failed);
    // Whatever else ended it, such as a switch of protocols that nobody asked for.
    call.once('upgrade', (_answer, socket) => {
      socket.destroy();
      resolve({ ok: false, answered: true, detail: `${asked} was answered by a switch of protocols` });
    });
    call.end();
  });
}
