import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { debianMirrors, sourceText } from './apt-sources.js';
import { run } from './command.js';
import { withLock } from './lock.js';
import { probeNginx } from './nginx-probe.js';

/** Raise it when the recipe below changes, so that copies made by the old one are not taken for ours. */
const RECIPE = 1;
/** The oldest Debian suite whose nginx comes with njs >= 1.0. */
const SUITE = 'forky';
const PACKAGES = ['nginx', 'libnginx-mod-http-js'];
/** How many of the machine's archives are tried. */
const MIRRORS = 3;
/** For one apt-get call, in ms. */
const LIMIT = 300_000;

/** What differs between the architectures, by Node's name for them. */
const PLATFORMS = {
  x64: { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
};

/**
 * An nginx of our own, with every library it needs, unpacked into the cache: nothing is installed, no root is needed.
 * apt fetches it from wherever this machine gets its packages, by the machine's own proxy settings, and checks the signatures.
 *
 * @param {{ cache: string, env?: NodeJS.ProcessEnv, log?: (line: string) => void, etc?: string, arch?: string }} options
 * @returns {Promise<{ command: string[], ok: boolean, reason: string, module: string, nginx: string, njs: string }>}
 */
export async function nginxCopy({ cache, env = process.env, log = () => {}, etc = '/etc/apt', arch = process.arch }) {
  const platform = PLATFORMS[arch];
  if (!platform) return failed(`there is none for ${arch}, only for ${Object.keys(PLATFORMS).join(' and ')}`);
  const home = join(cache, `nginx-${RECIPE}-${SUITE}-${platform.debian}`);
  const existing = await look(home, platform, cache);
  if (existing.ok) return existing;
  return withLock(
    `${home}.lock`,
    async () => {
      const made = await look(home, platform, cache);
      return made.ok ? made : fetchCopy({ home, platform, cache, env, log, etc });
    },
    { log },
  );
}

/** The words that start the copy: its own loader, so that it does not mind which C library the machine has. */
export function copyCommand(root, { triplet, loader }) {
  const libraries = join(root, 'usr/lib', triplet);
  return [join(libraries, loader), '--library-path', libraries, join(root, 'usr/sbin/nginx')];
}

async function look(root, platform, cache) {
  const command = copyCommand(root, platform);
  if (!existsSync(command.at(-1))) return failed('not there yet');
  return { command, ...(await probeNginx(command, { cache })) };
}

async function fetchCopy({ home, platform, cache, env, log, etc }) {
  const mirrors = debianMirrors(platform.debian, etc).slice(0, MIRRORS);
  if (mirrors.length === 0) return failed(`no Debian archive is named in ${etc}/sources.list or ${etc}/sources.list.d`);
  sweep(home);
  const temp = `${home}.tmp-${process.pid}`;
  const begun = performance.now();
  log('fetching nginx and njs with apt (10 MB, once)');
  try {
    let reason = '';
    for (const mirror of mirrors) {
      const fetched = await unpack(temp, sourceText(mirror, SUITE, platform.debian), platform, env);
      if (fetched.ok) {
        // A copy that stopped working stays until here: something may still run from it.
        if (existsSync(home)) renameSync(home, `${home}.tmp-old`);
        renameSync(join(temp, 'root'), home);
        const copy = await look(home, platform, cache);
        log(`nginx ${copy.nginx} with njs ${copy.njs} is in ${home} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
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
async function unpack(temp, source, platform, env) {
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
  const install = ['install', '--yes', '--download-only', '--no-install-recommends', ...PACKAGES];
  for (const args of [['update'], install]) {
    const { code, output } = await run('apt-get', ['-c', join(temp, 'apt.conf'), '-q', ...args], options);
    if (code !== 0) return failed(code === 127 ? output : `apt-get ${args[0]}: ${complaint(output)}`);
  }
  const archives = join(temp, 'archives');
  for (const name of readdirSync(archives).filter((entry) => entry.endsWith('.deb'))) {
    const { code, output } = await run('dpkg-deb', ['-x', join(archives, name), root], options);
    if (code !== 0) return failed(code === 127 ? output : `dpkg-deb -x ${name}: ${complaint(output)}`);
  }
  return probeNginx(copyCommand(root, platform));
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
  return { command: [], ok: false, reason, module: '', nginx: '', njs: '' };
}
