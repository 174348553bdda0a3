import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import type { HookConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import { tailLog } from '../runtime/process/log.ts';
import type { HookFacts, HookResult } from './hook.ts';
import { hookEnvironment, hookMark } from './hook-environment.ts';
import { describeEnd, describeHook } from './hook-message.ts';
import { awaitHook, startHook } from './hook-process.ts';

const LINES = 10;
/** Characters of one of them. */
const LONGEST = 500;

export interface HookOptions {
  /** Absolute; programs named by a relative path are looked for in it. */
  cwd: string;
  /** What the command inherits, less TURNOUT_* and npm_*. */
  env: NodeJS.ProcessEnv;
  /** The file that its output is appended to. Of one hook at a time, or else their last lines mingle. */
  log: string;
  /** Ends the command early. */
  signal?: AbortSignal;
  /** Default: the system's. */
  clock?: Clock;
}

/**
 * Runs the command to its end, no shell. Never rejects: whatever goes wrong is told by the result. What a command that ends
 * in time leaves running in the background goes on, and is not waited for.
 */
export async function runHook(hook: HookConfig, facts: HookFacts, options: HookOptions): Promise<HookResult> {
  const { cwd, log, signal, clock = systemClock } = options;
  const command = hook.command.map((word) => word.replaceAll('{release}', () => facts.release));
  const name = describeHook(facts.event, command);
  const begin = clock.now();
  const elapsed = () => Math.round(clock.now() - begin);
  const refused = (why: string): HookResult => {
    const ms = elapsed();
    return { ok: false, code: null, signal: null, timedOut: false, ms, lastLines: [], message: `${name} ${why}` };
  };
  try {
    if (signal?.aborted) return refused('was not run: aborted before');
    const mark = hookMark(randomUUID());
    const running = await startHook(command, { cwd, log, env: hookEnvironment(options.env, facts, mark) });
    const end = await awaitHook(running, { mark, timeout: hook.timeout, clock, signal });
    const ms = elapsed();
    return {
      ok: end.how === 'ended' && end.exit?.code === 0,
      code: end.exit?.code ?? null,
      signal: end.exit?.signal ?? null,
      timedOut: end.how === 'timed-out',
      ms,
      lastLines: await lastLines(log, running.from),
      message: `${name} ${describeEnd(end, { timeout: hook.timeout, ms })}`,
    };
  } catch (cause) {
    const error = TurnoutError.from(cause);
    return refused(`could not be run: ${error.message}. ${error.hint}`);
  }
}

/** Of a log that can't be read none: how the command ended is known all the same. */
async function lastLines(path: string, from: number): Promise<string[]> {
  const lines = await tailLog(path, from, LINES).catch(() => []);
  return lines.map((line) => line.slice(0, LONGEST));
}
