import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureBundle } from './bundle.js';
import { ensurePackages } from './packages.js';

/** The repository's root, wherever the command was called from and through whichever link. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What each verb does with nginx: `needed` ends without one, `wanted` goes on and is told why there is none (`up` may not need it). */
const NGINX = { up: 'wanted', doctor: 'wanted', lint: 'wanted', render: 'wanted' };

export function log(line) {
  process.stderr.write(`turnout: ${line}\n`);
}

/** Makes ready what the verb needs, then runs the bundle in this process. Silent when all is there. */
export async function start(args) {
  try {
    await prepare(NGINX[verbOf(args)]);
  } catch (error) {
    if (error.name !== 'StartFailure') throw error;
    log(error.message);
    process.exitCode = error.exitCode;
    return;
  }
  await import(pathToFileURL(join(ROOT, 'dist/turnout.js')).href);
}

/**
 * Packages, bundles and, if asked for, nginx; what was found is left in the environment for the bundle and for tests.
 * @param {'needed' | 'wanted' | undefined} nginx
 */
export async function prepare(nginx) {
  process.env.TURNOUT_HOME = ROOT;
  await ensurePackages({ root: ROOT, log });
  await ensureBundle({ root: ROOT, log });
  if (!nginx) return;
  const { findNginx, nginxVariables } = await import('./nginx.js');
  try {
    Object.assign(process.env, nginxVariables(await findNginx({ log })));
  } catch (error) {
    if (nginx === 'needed' || error.name !== 'StartFailure' || error.exitCode === 130) throw error;
    process.env.TURNOUT_NGINX_PROBLEM = error.message;
  }
}

/** The first word that is neither an option nor the config file; '' for a call that only wants to read the help. */
export function verbOf(args) {
  if (args.includes('--help') || args.includes('-h')) return '';
  return args.find((word, i) => !word.startsWith('-') && !['-f', '--file', '--config'].includes(args[i - 1])) ?? '';
}
