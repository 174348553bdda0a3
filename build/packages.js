import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.js';
import { StartFailure } from './failure.js';
import { withLock } from './lock.js';

/**
 * Makes node_modules match package-lock.json. Where there is no lock file, somebody else looks after the packages.
 *
 * @param {{ root: string, env?: NodeJS.ProcessEnv, log?: (line: string) => void }} options
 */
export async function ensurePackages({ root, env = process.env, log = () => {} }) {
  if (!existsSync(join(root, 'package-lock.json')) || isStamped(root)) return;
  // Beside node_modules, not in it: npm removes that folder.
  await withLock(join(root, '.cache/packages.lock'), () => (isStamped(root) ? undefined : install(root, env, log)), { log });
}

async function install(root, env, log) {
  // Taken before npm runs: a lock file that changes meanwhile is looked at again by the next start.
  const stamp = lockHash(root);
  if (!isInstalled(root)) {
    log('installing packages (npm ci)');
    const { NODE_ENV: _, ...rest } = env;
    // The flag, because npm_config_omit or a machine-wide npmrc could leave out what `npm test` needs.
    const { code, output } = await run('npm', ['ci', '--ignore-scripts', '--include=dev', '--prefer-offline'], {
      cwd: root,
      env: rest,
    });
    if (code === 127) throw new StartFailure('npm was not found on PATH; it is needed once, to install the packages (npm ci)');
    if (code !== 0) throw new StartFailure(`npm ci failed in ${root}:\n${output.trim()}`);
  }
  writeFileSync(stampFile(root), stamp);
}

/** Whether npm has installed exactly this lock file, by hand perhaps: npm's own record inside node_modules tells. */
function isInstalled(root) {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const found = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages;
    const same = (path) => found[path]?.version === wanted[path]?.version && found[path]?.integrity === wanted[path]?.integrity;
    // Optional ones are left out by npm where the platform is another one.
    const required = Object.keys(wanted).filter((path) => path !== '' && (!wanted[path].optional || path in found));
    return required.every(same) && Object.keys(found).every(same) && required.every((path) => existsSync(join(root, path)));
  } catch {
    return false;
  }
}

function isStamped(root) {
  try {
    return readFileSync(stampFile(root), 'utf8') === lockHash(root);
  } catch {
    return false;
  }
}

function stampFile(root) {
  return join(root, 'node_modules/.turnout-lock');
}

function lockHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}
