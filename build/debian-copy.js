import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { debianMirrors, sourceText } from './apt-sources.js';
import { run } from './command.js';
import { withLock } from './lock.js';

/** How many of the machine's archives are tried. */
const MIRRORS = 3;
/** For one apt-get call, in ms. */
const LIMIT = 300_000;

/**
 * @typedef {{ debian: string, triplet: string, loader: string }} Platform What differs between the architectures.
 * @typedef {{ ok: boolean, reason: string }} Look Whether what was unpacked can be used, else why not.
 */

/** By Node's name for the architecture. @type {Record<string, Platform>} */
const PLATFORMS = {
  x64: { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/**
 * Debian packages of our own, with every library they need, unpacked into a folder of the cache: nothing is installed, no root
 * is needed. apt fetches them from wherever this machine gets its packages, by the machine's own proxy settings, and checks the
 * signatures.
 *
 * @template {Look} L
 * @param {object} copy
 * @param {string} copy.cache
 * @param {string} copy.name the folder is called after it, the suite and the architecture
 * @param {string} copy.suite Debian's, e.g. forky
 * @param {string[]} copy.packages
 * @param {string} copy.what for the line that says what is fetched, with its size
 * @param {(root: string, platform: Platform) => Promise<L>} copy.look whether what is in the folder works; called before anything is fetched, too
 * @param {(look: L) => string} copy.done the line that says what was fetched
 * @param {NodeJS.ProcessEnv} [copy.env]
 * @param {(line: string) => void} [copy.log]
 * @param {string} [copy.etc] apt's configuration folder
 * @param {string} [copy.arch] Node's name for the architecture
 * @returns {Promise<L | Look>}
 */
export async function debianCopy({ arch = process.arch, ...copy }) {
  const platform = PLATFORMS[arch];
  if (!platform) return failed(`there is none for ${arch}, only for ${Object.keys(PLATFORMS).join(' and ')}`);
  const home = join(copy.cache, `${copy.name}-${copy.suite}-${platform.debian}`);
  const existing = await copy.look(home, platform);
  if (existing.ok) return existing;
  return withLock(
    `${home}.lock`,
    async () => {
      const made = await copy.look(home, platform);
      return made.ok ? made : fetchCopy({ env: process.env, log: () => {}, etc: '/etc/apt', ...copy, home, platform });
    },
    { log: copy.log },
  );
}

/** The words that start a program of the copy: by its own loader, so that it does not mind which C library the machine has. */
export function copyCommand(root, { triplet, loader }, program) {
  const libraries = join(root, 'usr/lib', triplet);
  return [join(libraries, loader), '--library-path', libraries, join(root, program)];
}

async function fetchCopy({ home, platform, suite, packages, what, look, done, env, log, etc }) {
  const mirrors = debianMirrors(platform.debian, etc).slice(0, MIRRORS);
  if (mirrors.length === 0) return failed(`no Debian archive is named in ${etc}/sources.list or ${etc}/sources.list.d`);
  sweep(home);
  const temp = `${home}.tmp-${process.pid}`;
  const begun = performance.now();
  log(`fetching ${what} with apt, once`);
  try {
    let reason = '';
    for (const mirror of mirrors) {
      const source = sourceText(mirror, suite, platform.debian);
      const fetched = await unpack({ temp, source, platform, packages, look, env });
      if (fetched.ok) {
        // A copy that stopped working stays until here: something may still run from it.
        if (existsSync(home)) renameSync(home, `${home}.tmp-old`);
        renameSync(join(temp, 'root'), home);
        const copy = await look(home, platform);
        log(`${done(copy)} is in ${home} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
        return copy;
      }
      reason ||= fetched.reason;
    }
    return failed(reason);
  } finally {
    sweep(home);
  }
}

/** Into `temp`/root, proven to run. Returns the reason instead of throwing: there may be another archive to try. */
async function unpack({ temp, source, platform, packages, look, env }) {
  rmSync(temp, { recursive: true, force: true });
  const root = join(temp, 'root');
  for (const folder of [
    root,
    ...['lists/partial', 'archives/partial', 'state', 'cache', 'log'].map((name) => join(temp, name)),
  ]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  writeFileSync(join(temp, 'turnout.sources'), source);
  writeFileSync(join(temp, 'status'), '');
  writeFileSync(join(temp, 'apt.conf'), aptConfig(temp, platform.debian));
  const options = { env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }, timeout: LIMIT };
  const install = ['install', '--yes', '--download-only', '--no-install-recommends', ...packages];
  for (const args of [['update'], install]) {
    const { code, output } = await run('apt-get', ['-c', join(temp, 'apt.conf'), '-q', ...args], options);
    if (code !== 0) return failed(code === 127 ? output : `apt-get ${args[0]}: ${complaint(output)}`);
  }
  const archives = join(temp, 'archives');
  for (const name of readdirSync(archives).filter((entry) => entry.endsWith('.deb'))) {
    const { code, output } = await run('dpkg-deb', ['-x', join(archives, name), root], options);
    if (code !== 0) return failed(code === 127 ? output : `dpkg-deb -x ${name}: ${complaint(output)}`);
  }
  return look(root, platform);
}

/** Read after the machine's own settings, which stay in force where nothing is said here: proxies, logins, certificates. */
function aptConfig(temp, architecture) {
  return `Dir::Etc::SourceList "${temp}/turnout.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${temp}/state";
Dir::State::Lists "${temp}/lists";
Dir::State::Status "${temp}/status";
Dir::Cache "${temp}/cache";
Dir::Cache::Archives "${temp}/archives";
Dir::Log "${temp}/log";
// As if nothing were installed: every library must come along.
APT::Architecture "${architecture}";
#clear APT::Architectures;
APT::Architectures { "${architecture}"; };
APT::Default-Release "";
// Started as root, apt would give that up for a user that cannot read this folder.
${process.geteuid?.() === 0 ? 'APT::Sandbox::User "root";' : ''}
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "2";
// Hooks of the machine are about its own packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

/** What ended runs have left. Called under the lock: whatever is there is nobody's. */
function sweep(home) {
  for (const name of readdirSync(join(home, '..')).filter((entry) => entry.startsWith(`${basename(home)}.tmp-`))) {
    // The apt of a killed run may still write there.
    rmSync(join(home, '..', name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Errors, else whatever came last. */
function complaint(output) {
  const lines = output.trim().split('\n');
  const errors = lines.filter((line) => /^(E:|Err:|dpkg)/.test(line));
  return (errors.length > 0 ? errors : lines).slice(-3).join(' / ');
}

function failed(reason) {
  return { ok: false, reason };
}
