// What `npm test` runs: everything that `npm start` makes ready, the compiler and the linter, then vitest with what is left of
// the arguments. `--long` takes the tests that take minutes instead, `--bench` the measurements, without compiler and linter.
import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { run } from './command.js';
import { StartFailure } from './failure.js';
import { log, prepare, ROOT } from './prepare.js';

const ENGINE = '/var/run/docker.sock';

const CHECKS = [
  ['tsc', '-p', 'tsconfig.json'],
  ['tsc', '-p', 'njs/tsconfig.json'],
  ['biome', 'check', '.'],
];

/** All at once; each is shown only when it fails. @returns {Promise<string[]>} the ones that failed */
async function check() {
  const outcomes = await Promise.all(
    CHECKS.map(([tool, ...args]) => run(join(ROOT, 'node_modules/.bin', tool), args, { cwd: ROOT })),
  );
  return CHECKS.map((words) => words.join(' ')).filter((title, i) => {
    const { code, output } = outcomes[i];
    if (code !== 0) process.stderr.write(`${output.trimEnd()}\n`);
    if (code !== 0) log(`${title} failed (exit code ${code})`);
    return code !== 0;
  });
}

function vitest(args) {
  // The terminal sends Ctrl-C to vitest as well: its exit code decides, and it must not outlive us.
  process.on('SIGINT', () => {});
  const program = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [program, 'run', ...args], { cwd: ROOT, stdio: 'inherit' });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 130));
  });
}

/** Does a Docker Engine answer? The tests with containers use the one of this machine. */
function hasEngine() {
  return new Promise((resolve) => {
    const asked = get({ socketPath: ENGINE, path: '/_ping', timeout: 5000 }, (answer) =>
      resolve(answer.resume().statusCode === 200),
    );
    asked.on('timeout', () => asked.destroy()).on('error', () => resolve(false));
  });
}

/** In CI a test that is left out proves nothing; for a user without Docker one line says what was. */
async function lookForEngine() {
  if (await hasEngine()) return;
  const why = `no Docker Engine answers on ${ENGINE}`;
  if (process.env.CI === 'true')
    throw new StartFailure(`${why}: in CI the tests with containers (test/docker) need one, see .ci/engine`);
  process.env.TURNOUT_ENGINE = 'missing';
  log(`${why}: the tests with containers (test/docker) are left out; .ci/engine installs one`);
}

async function main(args) {
  await prepare('needed');
  const words = args.filter((word) => !['--long', '--bench'].includes(word));
  if (args.includes('--bench')) {
    process.env.TURNOUT_BENCH = '1';
    return vitest(words);
  }
  await lookForEngine();
  if (args.includes('--long')) process.env.TURNOUT_LONG = '1';
  const failed = await check();
  const code = await vitest(words);
  // Once more at the end, where it is seen.
  if (failed.length > 0) log(`failed before the tests: ${failed.join(', ')}`);
  return code || (failed.length > 0 ? 1 : 0);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error.name !== 'StartFailure') throw error;
  log(error.message);
  process.exitCode = error.exitCode;
}
