import { readFile, stat } from 'node:fs/promises';
import { TurnoutError } from '../errors.ts';

/** Who nginx' workers are when nginx starts as root. */
export interface Owner {
  uid: number;
  gid: number;
  /** `name group`, as nginx' `user` wants it. */
  user: string;
}

/** The owner of the state folder; null when this process is not root, because nginx then cannot change its user. */
export async function ownerOf(state: string): Promise<Owner | null> {
  if (process.getuid?.() !== 0) return null;
  const { uid, gid } = await stat(state);
  const name = await nameOf('/etc/passwd', uid);
  const group = await nameOf('/etc/group', gid);
  if (name === null || group === null) {
    throw new TurnoutError(
      'gateway-unusable',
      `${state} belongs to ${uid}:${gid}, which has no name here; nginx needs one for its workers`,
      {
        hint: 'Give the folder to a user that exists (chown), or start Turnout as that user.',
      },
    );
  }
  return { uid, gid, user: `${name} ${group}` };
}

async function nameOf(file: string, id: number): Promise<string | null> {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find((fields) => fields[2] === String(id))?.[0] ?? null;
}
