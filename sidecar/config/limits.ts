import { z } from 'zod';
import { expectedBytes, parseBytes } from './bytes.ts';
import { parsePercentage } from './percentage.ts';

/** The kinds of values that a bake measures against. Each error text completes the sentence "found ..., expected ...". */

/** Of requests: `1%` or 0.01. */
export function share() {
  return z.unknown().transform((value, context) => {
    const part = typeof value === 'string' ? parsePercentage(value) : value;
    if (typeof part === 'number' && part >= 0 && part <= 1) return part;
    const message = 'a share such as 0.5% (0% to 100%, at most 3 decimals) or a number from 0 to 1';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Of the processor: 0.8, or `80%` of one core. 0 is refused: whatever runs takes more. */
export function cores() {
  return z.unknown().transform((value, context) => {
    const count = typeof value === 'string' ? parsePercentage(value) : value;
    if (typeof count === 'number' && count > 0 && count <= 1024) return count;
    const message = 'a number of cores above 0 and up to 1024, such as 0.8, or a share of one core such as 80% or 150%';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** In bytes. 0 is refused: whatever runs takes more. */
export function memory() {
  return z.unknown().transform((value, context) => {
    const text = typeof value === 'number' ? String(value) : value;
    const bytes = typeof text === 'string' ? parseBytes(text) : undefined;
    if (bytes !== undefined && bytes > 0) return bytes;
    const message = bytes === 0 ? 'an amount of memory above 0' : expectedBytes(typeof text === 'string' ? text : '');
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Without flags, so that it keeps no place between two uses. An empty one is refused: it matches everything. */
export function regularExpression() {
  return z.unknown().transform((value, context) => {
    const expected = 'the text of a regular expression such as "ERROR|FATAL"';
    try {
      if (typeof value === 'string' && value !== '') return new RegExp(value);
      const number = typeof value === 'number' ? ' (a number needs quotes)' : '';
      context.addIssue({ code: 'custom', message: `${expected}${number}` });
    } catch (error) {
      // JavaScript's message repeats the text, line breaks included, before it says why.
      const reason = (error as Error).message.replace(/^.*\/[a-z]*: /s, '');
      context.addIssue({ code: 'custom', message: `${expected} (JavaScript: ${reason})` });
    }
    return z.NEVER;
  });
}
