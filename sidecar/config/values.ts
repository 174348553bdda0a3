import { constants } from 'node:os';
import { z } from 'zod';
import { EXPECTED_ADDRESS, parseAddress } from './address.ts';
import { expectedDuration, formatDuration, parseDuration } from './duration.ts';

/** The kinds of values in turnout.yaml. Each error text completes the sentence "found ..., expected ...". */

export function integer(from: number, to: number) {
  const error = `a whole number from ${from} to ${to}`;
  return z.int({ error }).min(from, { error }).max(to, { error });
}

export function matching(pattern: RegExp, error: string | ((issue: { input?: unknown }) => string)) {
  return z.string({ error }).regex(pattern, { error });
}

const SCALARS = new Set(['string', 'number', 'boolean']);

/** Whatever can be written as text. */
export function scalar(error: string) {
  return z.custom<string | number | boolean>((value) => SCALARS.has(typeof value), { error });
}

/** Only this one value works now; `why` says what about the others. */
export function only<const Value extends string | boolean>(value: Value, why: string) {
  return z.literal(value, { error: `${value} (${why})` });
}

/** A text that ends up in a system call or a file: control characters would cut it short or start a new line. */
export function plainText(what: string) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return matching(/^[^\u0000-\u001f\u007f]+$/, `${what}: text that is not empty and has no control characters`);
}

/** In milliseconds. `least` is 1 where 0 would mean "at once, for ever" or would not be understood by nginx. */
export function duration(least: 0 | 1 = 0) {
  return z.unknown().transform((value, context) => {
    const text = typeof value === 'number' ? String(value) : value;
    const ms = typeof text === 'string' ? parseDuration(text) : undefined;
    if (ms !== undefined && ms >= least) return ms;
    const message =
      ms === undefined
        ? expectedDuration(typeof text === 'string' ? text : '')
        : `a duration of at least ${formatDuration(least)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

export function address() {
  return z.unknown().transform((value, context) => {
    const parsed = typeof value === 'string' || typeof value === 'number' ? parseAddress(String(value)) : undefined;
    if (parsed) return parsed;
    context.addIssue({ code: 'custom', message: EXPECTED_ADDRESS });
    return z.NEVER;
  });
}

/** Below 1024 only root may listen; from 32768 on Linux hands ports out to outgoing connections. */
export function portRange() {
  return z.unknown().transform((value, context) => {
    const match = /^(\d{1,5})-(\d{1,5})$/.exec(typeof value === 'string' ? value : '');
    const range = { from: Number(match?.[1]), to: Number(match?.[2]) };
    if (match && range.from >= 1024 && range.to <= 32_767 && range.from <= range.to) return range;
    context.addIssue({
      code: 'custom',
      message: 'a range such as 20000-20999, within 1024-32767 (below the ephemeral ports), the smaller port first',
    });
    return z.NEVER;
  });
}

export function signal() {
  const known = Object.keys(constants.signals) as NodeJS.Signals[];
  return z.enum(known, { error: 'the name of a signal such as SIGTERM, SIGINT or SIGQUIT' });
}

/** Labels become part of paths and messages; this is what an image tag may be, and the `+` of semantic versions. */
export const RELEASE = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/;

export function isRelease(label: string): boolean {
  return RELEASE.test(label);
}
