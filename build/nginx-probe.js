import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './command.js';

const MODULE = 'ngx_http_js_module.so';

/** Older ones have no shared dictionary, or free memory twice when one is full. */
const NEEDED = 1;

/** How long a started nginx may take to answer, in ms. Usually 30. */
const PATIENCE = 10_000;

/**
 * Whether this nginx is one that Turnout can use, found out by starting it: only a running njs tells its version.
 *
 * @param {string[]} command the words that start it; the last one is the binary
 * @param {{ cache?: string }} [options] folder that remembers the outcome until the binary or a module changes; default: none
 * @returns {Promise<{ ok: boolean, reason: string, module: string, nginx: string, njs: string }>} reason: why not
 */
export async function probeNginx(command, { cache } = {}) {
  const memory =
    cache && join(cache, 'probes', `${createHash('sha256').update(command.join('\0')).digest('hex').slice(0, 16)}.json`);
  const known = memory && recall(memory);
  if (known) return known;
  const { seen, settled, outcome } = await probe(command);
  if (memory && settled) remember(memory, seen, outcome);
  return outcome;
}

/** `settled`: another look would find the same; `seen`: the files that decided it, absent ones included. */
async function probe(command) {
  const refuse = (reason, found = {}) => ({ ok: false, reason, module: '', nginx: '', njs: '', ...found });
  const { code, output } = await run(command[0], [...command.slice(1), '-V'], { timeout: PATIENCE });
  const nginx = /version: \S*\/(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (code !== 0 || !nginx)
    return { settled: false, outcome: refuse(`does not run: ${lastLines(output) || `exit code ${code}`}`) };

  const places = modulePlaces(command.at(-1), output);
  const seen = Object.fromEntries([...new Set([command[0], command.at(-1), ...places])].map((path) => [path, mark(path)]));
  // '' stands for an njs that is compiled in: tried last, since that fails slowest to tell why.
  const reasons = [];
  let best;
  for (const module of [...places.filter((path) => seen[path]), '']) {
    const { njs, reason } = await askVersion(command, module, output);
    if (njs && Number.parseInt(njs, 10) >= NEEDED) {
      return { seen, settled: true, outcome: { ok: true, reason: '', module, nginx, njs } };
    }
    if (njs) best ??= { module, njs };
    else reasons.push(reason);
  }
  if (best)
    return {
      seen,
      settled: true,
      outcome: refuse(`nginx ${nginx} with njs ${best.njs}, needs njs >= ${NEEDED}.0`, { nginx, ...best }),
    };
  if (reasons.length > 1) return { settled: false, outcome: refuse(`nginx ${nginx}: ${reasons[0]}`, { nginx }) };
  if (!/unknown directive "js_/.test(reasons[0]))
    return { settled: false, outcome: refuse(`nginx ${nginx}: ${reasons[0]}`, { nginx }) };
  return {
    seen,
    settled: true,
    outcome: refuse(`nginx ${nginx} without njs (no ${MODULE} in ${places.map(dirname).join(', ')})`, { nginx }),
  };
}

/** Beside the binary first: a copy that was unpacked somewhere must not take the system's module. */
function modulePlaces(binary, build) {
  const built = (option) => new RegExp(`--${option}=(\\S+)`).exec(build)?.[1];
  const home = dirname(dirname(realpathOf(binary)));
  const folders = [
    join(home, 'lib/nginx/modules'),
    join(home, 'modules'),
    built('modules-path'),
    built('prefix') && join(built('prefix'), 'modules'),
    '/usr/lib/nginx/modules',
    '/usr/share/nginx/modules',
    '/etc/nginx/modules',
  ];
  return [...new Set(folders.filter(Boolean).map((folder) => join(folder, MODULE)))];
}

/** Starts it on a unix socket in a folder of its own and asks; ends it again. */
async function askVersion(command, module, build) {
  const folder = mkdtempSync(join(tmpdir(), 'turnout-nginx-'));
  const socket = join(folder, 's');
  writeFileSync(
    join(folder, 'probe.js'),
    'function version(r) {\n  r.return(200, njs.version);\n}\nexport default { version };\n',
  );
  writeFileSync(join(folder, 'nginx.conf'), probeConfig(folder, module, build));
  // -e: otherwise it complains first about a log folder of the build's that is not there.
  const args = [...command.slice(1), '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'];
  const child = spawn(command[0], args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  let ended = false;
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    said += chunk;
  });
  const end = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('close', resolve);
  }).then(() => {
    ended = true;
  });
  try {
    const begun = performance.now();
    while (!ended && performance.now() - begun < PATIENCE) {
      const njs = await get(socket);
      if (/^\d+\.\d+/.test(njs)) return { njs };
      await Promise.race([sleep(10), end]);
    }
    return { reason: ended ? lastLines(said) || 'ended at once, without a word' : `did not answer within ${PATIENCE / 1000} s` };
  } finally {
    child.kill('SIGKILL');
    await end;
    rmSync(folder, { recursive: true, force: true });
  }
}

function probeConfig(folder, module, build) {
  // A build may lack any of these, and then does not know the directive.
  const temps = ['proxy', 'fastcgi', 'uwsgi', 'scgi'].filter((name) => !build.includes(`--without-http_${name}_module`));
  return `${module ? `load_module "${module}";` : ''}
${process.geteuid?.() === 0 ? 'user root root;' : ''}
daemon off;
master_process off;
pid "${folder}/pid";
error_log stderr;
events {}
http {
  access_log off;
  ${['client_body', ...temps].map((name) => `${name}_temp_path "${folder}/${name}";`).join('\n  ')}
  js_import probe from "${folder}/probe.js";
  server {
    listen "unix:${folder}/s";
    location / { js_content probe.version; }
  }
}
`;
}

function get(socketPath) {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/', timeout: 1000, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      answer.once('close', () => resolve(body));
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(''));
    asked.end();
  });
}

function recall(memory) {
  try {
    const { seen, outcome } = JSON.parse(readFileSync(memory, 'utf8'));
    return Object.entries(seen).every(([path, was]) => mark(path) === was) ? outcome : undefined;
  } catch {
    return undefined;
  }
}

/** Only a convenience: where the folder cannot be written, the next start asks again. */
function remember(memory, seen, outcome) {
  try {
    mkdirSync(dirname(memory), { recursive: true, mode: 0o700 });
    writeFileSync(`${memory}.${process.pid}`, JSON.stringify({ seen, outcome }));
    renameSync(`${memory}.${process.pid}`, memory);
  } catch {}
}

/** Size and time of a file, which change when a package is upgraded; '' when it is absent. */
function mark(path) {
  try {
    const { size, mtimeMs } = statSync(path);
    return `${size}:${mtimeMs}`;
  } catch {
    return '';
  }
}

function realpathOf(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function lastLines(text) {
  return text.trim().split('\n').slice(-2).join(' / ');
}
