import { formatDuration } from '../config/duration.ts';
import type { HookEvent } from './hook.ts';
import type { HookEnd } from './hook-process.ts';

/** Characters of the command that are shown. */
const LONGEST = 300;

/** `beforeSwitch hook \`node migrate.js v2\``: what every message begins with. */
export function describeHook(event: HookEvent, command: string[]): string {
  const whole = command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
  return `${event} hook \`${whole.length > LONGEST ? `${whole.slice(0, LONGEST)}...` : whole}\``;
}

/** How it ended, for people. `timeout` and `ms` are milliseconds. */
export function describeEnd({ how, exit, trouble }: HookEnd, { timeout, ms }: { timeout: number; ms: number }): string {
  const expected = `expected exit code 0 within ${formatDuration(timeout)}`;
  if (how !== 'ended') {
    const why = how === 'aborted' ? 'was aborted' : `had not ended after ${formatDuration(timeout)}`;
    return `${why}, ${trouble ? `and not all of it could be ended: ${trouble}` : 'and was ended with all its processes'}; ${expected}`;
  }
  if (exit?.signal) return `was ended by ${exit.signal} after ${formatDuration(ms)}; ${expected}`;
  return `ended with exit code ${exit?.code} after ${formatDuration(ms)}${exit?.code === 0 ? '' : `; ${expected}`}`;
}
