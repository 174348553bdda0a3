import { statSync } from 'node:fs';
import { join } from 'node:path';
import { tokenFile } from '../../api/token.ts';
import type { Address, Config } from '../../config/config.ts';
import { isAlive, type ProcessIdentity } from '../../process-identity.ts';
import { type Asked, ask } from './ask.ts';
import { read, word } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Milliseconds; it asks the gateway before it says that it is ready, which may take 3 s. */
const PATIENCE = 5000;

/** What the lock of the state folder says. */
export type Sidecar =
  | { state: 'none' }
  | { state: 'unknown'; why: string }
  | { state: 'dead' | 'alive'; pid: number; since: string };

export function findSidecar(state: string): Sidecar {
  const lock = read(join(state, 'lock'));
  if ('error' in lock)
    return lock.error === 'ENOENT' || lock.error === 'ENOTDIR' ? { state: 'none' } : { state: 'unknown', why: lock.error };
  try {
    const owner = JSON.parse(lock.text) as ProcessIdentity & { since: string };
    return { state: isAlive(owner) ? 'alive' : 'dead', pid: owner.pid, since: owner.since };
  } catch {
    return { state: 'unknown', why: 'its lock is torn' };
  }
}

export async function checkSidecar(config: Config, sidecar: Sidecar): Promise<Finding> {
  const start = `start it: turnout up -f ${word(config.file)}`;
  switch (sidecar.state) {
    case 'none':
      return warn('sidecar', 'none runs with this state folder', start);
    case 'unknown':
      return warn(
        'sidecar',
        `whether one runs cannot be told: ${sidecar.why}`,
        `call doctor as the owner of ${config.state}, or ${start}`,
      );
    case 'dead':
      return fail(
        'sidecar',
        `process ${sidecar.pid}, which began ${sidecar.since}, was killed or has crashed`,
        `${start}; it adopts what still runs`,
      );
    default:
      return checkApi(config, sidecar);
  }
}

async function checkApi({ api }: Config, { pid, since }: { pid: number; since: string }): Promise<Finding> {
  const who = `process ${pid} runs since ${since}`;
  try {
    const { status, body, ms } = await call(api.listen, '/readyz');
    if (status === 200) return ok('sidecar', `${who}, ready, answers in ${Math.ceil(ms)} ms`);
    return fail('sidecar', `${who}, but is not ready: ${reason(body)}`, 'mend what it names; it tries again by itself');
  } catch (error) {
    const found = `${who}, but its API does not answer: ${(error as Error).message}`;
    return fail('sidecar', found, `wait if it has just started, else end it (kill ${pid}) and start it again with turnout up`);
  }
}

/** The file that opens the API: only for its owner, and the one that the running sidecar knows. */
export async function checkToken(config: Config, sidecar: Sidecar): Promise<Finding> {
  const file = tokenFile(config.state);
  const runs = sidecar.state === 'alive';
  const restart = `restart the sidecar (turnout up -f ${word(config.file)}): it makes a new one`;
  const stored = read(file);
  if ('error' in stored) {
    if (stored.error !== 'ENOENT' && stored.error !== 'ENOTDIR') {
      return warn('token', `${file} cannot be read: ${stored.error}`, 'call turnout as its owner');
    }
    if (!runs) return ok('token', 'not there yet; the first start makes it');
    return fail('token', `${file} is gone: no verb can reach the sidecar`, restart);
  }
  const mode = statSync(file).mode & 0o777;
  if (mode & 0o077) {
    const found = `${file} has mode ${mode.toString(8).padStart(4, '0')}: others on this machine can use the API`;
    return fail('token', found, `chmod 600 ${word(file)}; if others were there, remove it and restart the sidecar`);
  }
  const token = stored.text.trim();
  if (token === '') return runs ? fail('token', `${file} is empty`, restart) : ok('token', 'empty; the next start makes it');
  if (runs && (await isRefused(config.api.listen, token))) {
    return fail('token', `${file} is not the token that the sidecar knows`, restart);
  }
  return ok('token', `${file}, mode 0600`);
}

/** An API that does not answer is the other check's. */
async function isRefused(api: Address, token: string): Promise<boolean> {
  const answer = await call(api, '/v1/services', { authorization: `Bearer ${token}` }).catch(() => null);
  return answer?.status === 401;
}

/** A sidecar that listens on every address is asked on this machine's own. */
function call({ host, port }: Address, path: string, headers: Record<string, string> = {}): Promise<Asked> {
  const near = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return ask({ host: near, port, path, headers }, PATIENCE);
}

function reason(body: string): string {
  try {
    const { status, services } = JSON.parse(body) as { status: string; services?: string[] };
    return services ? `${status} (${services.join(', ')})` : status;
  } catch {
    return body.slice(0, 200);
  }
}
