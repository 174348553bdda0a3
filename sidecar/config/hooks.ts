import { z } from 'zod';
import { words } from './command.ts';
import type { HookConfig } from './config.ts';
import { judge } from './judge.ts';
import { strict } from './keys.ts';
import { duration } from './values.ts';

const TIMEOUT = 60_000;

const command = words('[node, notify.js]');

const hookMap = strict({ command, timeout: duration(1).default(TIMEOUT) });

/** A list of words is short for `{ command: words }`. */
const hook = z
  .unknown()
  .transform((value, context): HookConfig | null => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return judge(hookMap, value, context);
    return { command: judge(command, value, context), timeout: TIMEOUT };
  })
  .default(null);

export const hooksSchema = strict({ beforeSwitch: hook, afterLive: hook, afterRollback: hook }).prefault({});
