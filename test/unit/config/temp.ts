import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import type { Config } from '../../../sidecar/config/config.ts';
import { loadConfig } from '../../../sidecar/config/load.ts';
import { TurnoutError } from '../../../sidecar/errors.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A new folder with these files, removed after the test. */
export async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tn-')));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

export async function load(yaml: string, env: NodeJS.ProcessEnv = {}, files: Record<string, string> = {}): Promise<Config> {
  return loadConfig(join(await folderWith({ ...files, 'turnout.yaml': yaml }), 'turnout.yaml'), env);
}

/** The lines of the refusal, with the file's name alone in front. */
export async function refusal(yaml: string, env: NodeJS.ProcessEnv = {}, files: Record<string, string> = {}): Promise<string[]> {
  const error = await load(yaml, env, files).then(
    () => {
      throw new Error('the file was accepted');
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof TurnoutError) || error.code !== 'config-invalid') throw error;
  return error.message.split('\n').map((line) => line.replace(/^.*(?=turnout\.yaml:)/, ''));
}

/** The smallest service with these lines added to it; they begin on line 5. */
export function service(...lines: string[]): string {
  return [
    'services:',
    '  backend:',
    '    command: [node, server.js]',
    '    health: /health',
    ...lines.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

/** These lines, from line 1 on, above the smallest service. */
export function top(...lines: string[]): string {
  return [...lines, service()].join('\n');
}
