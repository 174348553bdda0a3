// What `npm test` runs: everything that `npm start` makes ready, the compiler and the linter, then vitest with what is left of
// the arguments. `--long` adds the tests that take minutes.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { run } from './command.js';
import { log, prepare, ROOT } from './prepare.js';

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

async function main(args) {
  await prepare('needed');
  if (args.includes('--long')) process.env.TURNOUT_LONG = '1';
  const failed = await check();
  const code = await vitest(args.filter((word) => word !== '--long'));
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
