import { readNumber, SettingError } from './settings.js';

// Longer waits overflow the 32 bit timers of Node, which would then fire at once.
const LONGEST_S = 2_147_483;
const PARTS = 1_000_000;

const READERS = {
  FAULT_SLOW_MS: (name, text) => readNumber(name, text, 0, 600_000),
  FAULT_ERROR_SHARE: readShare,
  FAULT_UNHEALTHY_AFTER_S: (name, text) => readNumber(name, text, 0, LONGEST_S),
  FAULT_EXIT_AFTER_S: (name, text) => readNumber(name, text, 0, LONGEST_S),
  FAULT_LEAK_MB_PER_S: (name, text) => readNumber(name, text, 0, 1024),
  FAULT_LOG_ERRORS_PER_S: (name, text) => readNumber(name, text, 0, 10_000),
  FAULT_START_DELAY_S: (name, text) => readNumber(name, text, 0, LONGEST_S),
  FAULT_IGNORE_SIGTERM: readFlag,
};

/**
 * The faults that this release was started with. An empty variable counts as absent. An unknown name is refused too: a
 * misspelt fault does nothing, and the test that relies on it would pass for the wrong reason.
 */
export function readFaults(env) {
  for (const name of Object.keys(env)) {
    if (name.startsWith('FAULT_') && !Object.hasOwn(READERS, name)) {
      throw new SettingError(`${name}: no such fault; there are ${Object.keys(READERS).join(', ')}`);
    }
  }
  const read = (name, absent) => (env[name] ? READERS[name](name, env[name]) : absent);
  return {
    slowMs: read('FAULT_SLOW_MS', 0),
    errorShare: read('FAULT_ERROR_SHARE', 0),
    unhealthyAfterS: read('FAULT_UNHEALTHY_AFTER_S', Infinity),
    exitAfterS: read('FAULT_EXIT_AFTER_S', Infinity),
    leakMbPerS: read('FAULT_LEAK_MB_PER_S', 0),
    logErrorsPerS: read('FAULT_LOG_ERRORS_PER_S', 0),
    startDelayS: read('FAULT_START_DELAY_S', 0),
    ignoreSigterm: read('FAULT_IGNORE_SIGTERM', false),
  };
}

function readShare(name, text) {
  return text.trim().endsWith('%')
    ? readNumber(name, text.trim().slice(0, -1), 0, 100, text) / 100
    : readNumber(name, text, 0, 1);
}

function readFlag(name, text) {
  if (text !== '0' && text !== '1') throw new SettingError(`${name}: found "${text}", expected 0 or 1`);
  return text === '1';
}

/**
 * Says of each answer in turn whether it has to fail, spread evenly and without chance: of any 100 answers in a row at a
 * share of 0.2 exactly 20 fail. Counts in whole millionths, because sums of fractions drift.
 */
export function evenSpread(share) {
  const step = Math.round(share * PARTS);
  let sum = 0;
  return () => {
    sum += step;
    if (sum < PARTS) return false;
    sum -= PARTS;
    return true;
  };
}

/** The faults that need no request: dying, leaking, complaining. */
export function startFaults({ exitAfterS, leakMbPerS, logErrorsPerS }) {
  if (exitAfterS === 0) exitAsTold();
  if (exitAfterS !== Infinity) setTimeout(exitAsTold, exitAfterS * 1000);
  if (leakMbPerS > 0) leak(leakMbPerS);
  if (logErrorsPerS > 0) complain(logErrorsPerS);
}

function exitAsTold() {
  process.stderr.write('fault: exiting as told\n');
  process.exit(1);
}

function leak(megabytes) {
  const held = [];
  // Filled, not just allocated: untouched pages do not count as resident memory.
  setInterval(() => held.push(Buffer.alloc(megabytes * 1024 * 1024, 1)), 1000);
}

function complain(perSecond) {
  const startedAt = performance.now();
  let written = 0;
  const tick = () => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    for (; written + 1 <= due; written++) {
      process.stderr.write(
        `ERROR Exception in handler: fault number ${written + 1}\n` +
          '    at handle (examples/backend/handler.js:12:9)\n    at serve (examples/backend/server.js:34:5)\n',
      );
    }
  };
  setInterval(tick, Math.min(1000, Math.max(10, 1000 / perSecond)));
}
