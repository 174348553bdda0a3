import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';

export function tokenFile(state: string): string {
  return join(state, 'token');
}

/** The bearer token of the state folder, made on first start; only its owner can read it. */
export async function loadToken(state: string): Promise<string> {
  const known = (await readFile(tokenFile(state), 'utf8').catch(() => '')).trim();
  if (known !== '') return known;
  const token = randomBytes(32).toString('base64url');
  await writeFileAtomic(tokenFile(state), `${token}\n`, { mode: 0o600 });
  return token;
}

/** In constant time, whatever the lengths. */
export function sameToken(given: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
