import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

import { TurnoutError } from '../../errors.ts';

/** Where they are in the container. */
export const SECRETS_FOLDER = '/run/secrets';

export interface Secret {
  name: string;
  content: Buffer;
}

/** `files`: paths by name. Rejects with the path, never with what is in it. */
export async function readSecrets(files: Record<string, string>): Promise<Secret[]> {
  return Promise.all(
    Object.entries(files).map(async ([name, path]) => {
      const content = await readFile(path).catch(({ code }: NodeJS.ErrnoException) => {
        throw new TurnoutError('runtime-unusable', `The secret "${name}" cannot be read from ${path} (${code})`, {
          hint: 'See that the file is there, and that the sidecar may read it.',
        });
      });
      return { name, content };
    }),
  );
}

/** A tar archive of them, readable by everybody in the container: a user that is only a name has a number there alone. */
export async function packSecrets(secrets: Secret[], user: string | null): Promise<Buffer> {
  const [uid = 0, gid = 0] = /^\d+(:\d+)?$/.test(user ?? '') ? user!.split(':').map(Number) : [];
  const archive = pack();
  const mtime = new Date();
  for (const { name, content } of secrets) archive.entry({ name, mode: 0o444, uid, gid, mtime }, content);
  archive.finalize();
  return buffer(archive);
}
