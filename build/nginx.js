import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { StartFailure } from './failure.js';
import { nginxCopy } from './nginx-copy.js';
import { probeNginx } from './nginx-probe.js';

/** Where distributions put nginx; rarely on the PATH of anyone but root. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

/**
 * The nginx that Turnout runs: the one that TURNOUT_NGINX names, else one on PATH, else a private copy fetched by apt.
 *
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {string} [options.cache] folder for the copy and for what was found out; default as cacheFolder() says
 * @param {(line: string) => void} [options.log]
 * @param {string[]} [options.folders] searched after PATH
 * @param {string} [options.etc] apt's configuration folder
 * @returns {Promise<import('./nginx.d.ts').FoundNginx>}
 */
export async function findNginx(options = {}) {
  const { env = process.env, log = () => {}, folders = SYSTEM_FOLDERS, etc } = options;
  const cache = options.cache ?? cacheFolder(env);
  if (env.TURNOUT_NGINX) return named(env.TURNOUT_NGINX, cache);

  const refused = [];
  for (const binary of binariesOn(env.PATH ?? '', folders)) {
    const outcome = await probeNginx([binary], { cache });
    if (outcome.ok) return answer([binary], outcome, 'PATH');
    refused.push(`${binary}: ${outcome.reason}`);
  }
  const copy = await nginxCopy({ cache, env, log, etc }).catch(asReason);
  if (copy.ok) return answer(copy.command, copy, 'cache');
  throw nothing('no nginx that can be used was found', [
    'TURNOUT_NGINX: not set',
    `nginx on PATH: ${refused.join('; ') || `none, nor in ${folders.join(', ')}`}`,
    `private copy in ${cache}: ${copy.reason}`,
  ]);
}

/** Absolute. TURNOUT_CACHE, else turnout/ in XDG_CACHE_HOME, else in ~/.cache. */
export function cacheFolder(env = process.env) {
  if (env.TURNOUT_CACHE) return resolve(env.TURNOUT_CACHE);
  return resolve(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'turnout');
}

/** What the bundle and the tests read: see sidecar/gateway. */
export function nginxVariables({ command, module, nginx, njs, source }) {
  return {
    TURNOUT_NGINX_COMMAND: JSON.stringify(command),
    TURNOUT_NGINX_MODULE: module,
    TURNOUT_NGINX_VERSIONS: JSON.stringify({ nginx, njs, source }),
  };
}

/** Somebody chose this one: to take another in silence would be wrong. */
async function named(path, cache) {
  const binary = resolve(path);
  const outcome = isProgram(binary)
    ? await probeNginx([binary], { cache })
    : { ok: false, reason: 'is not a program that can be run' };
  if (outcome.ok) return answer([binary], outcome, 'TURNOUT_NGINX');
  throw nothing('the nginx that TURNOUT_NGINX names cannot be used', [`${binary}: ${outcome.reason}`]);
}

function binariesOn(path, folders) {
  const found = new Map();
  for (const folder of [...path.split(delimiter), ...folders].filter(Boolean)) {
    const binary = resolve(folder, 'nginx');
    if (!isProgram(binary)) continue;
    // /usr/sbin and /sbin are often one folder by two names.
    const real = realpathSync(binary);
    if (!found.has(real)) found.set(real, binary);
  }
  return [...found.values()];
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function answer(command, { module, nginx, njs }, source) {
  return { command, module, nginx, njs, source };
}

/** A cache folder that cannot be written is one more way that did not work; an interrupt is not. */
function asReason(error) {
  if (error.exitCode === 130) throw error;
  return { ok: false, reason: `${error.message} (TURNOUT_CACHE names another folder)` };
}

function nothing(title, tried) {
  const lines = [
    `${title}:`,
    ...tried.map((line) => `  - ${line}`),
    'Two ways out: set TURNOUT_NGINX to the path of an nginx with njs >= 1.0,',
    'or run Turnout in Docker, where the official image nginx:1.30 brings both.',
  ];
  return new StartFailure(lines.join('\n'), 8);
}
