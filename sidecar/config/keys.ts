import { z } from 'zod';
import { quote } from './source.ts';

/**
 * A map that takes only these keys. `later` are keys of the design that do not work yet: accepting them would promise what
 * nobody keeps. The error about surplus keys has one line for each of them, in the order of the issue's `keys`.
 */
export function strict<Shape extends z.ZodRawShape>(shape: Shape, later: readonly string[] = []) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => refusal(key, keys, later)).join('\n')
        : `a map with the ${keys.length > 1 ? 'keys' : 'key'} ${keys.join(', ')}`,
  });
}

function refusal(key: string, keys: readonly string[], later: readonly string[]): string {
  if (later.includes(key)) {
    return `the key ${quote(key)} is known but does not work yet in this version, expected it to be left out`;
  }
  const meant = closest(key, keys);
  const hint = meant === undefined ? '' : ` (did you mean ${quote(meant)}?)`;
  return `unknown key ${quote(key)}, expected one of ${keys.join(', ')}${hint}`;
}

/** The key that was probably meant: at most two typing errors away, in whatever case. */
export function closest(key: string, keys: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase();
  // A key of thousands of characters is no typing error, and comparing it would take its time.
  if (key.length > 40) return undefined;
  const ranked = keys
    .map((candidate) => ({ candidate, steps: distance(plain(key), plain(candidate)) }))
    .filter(({ candidate, steps }) => steps <= 2 && steps < candidate.length / 2)
    .sort((a, b) => a.steps - b.steps);
  return ranked[0]?.candidate;
}

/** Insertions, deletions and replacements between two words. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
