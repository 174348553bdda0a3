import type { Secret } from './config.ts';

/** Shorter values, such as `1` or `on`, stand everywhere in ordinary text: hiding them would shred it and hide nothing. */
export const SHORTEST_SECRET = 4;

/** Shorter lines of a longer value tell nothing. */
const SHORTEST_LINE = 8;

/** Adds what is worth hiding. */
export function keepSecret(secrets: Secret[], name: string, value: string): void {
  if (value.length >= SHORTEST_SECRET) secrets.push({ name, value });
}

/**
 * The text with `${NAME}` in place of every secret value, as it is, with its white space squeezed, line by
 * line, and as each of these looks inside a JSON string.
 */
export function redact(text: string, secrets: readonly Secret[]): string {
  const hidden = secrets
    .filter(({ value }) => value.length >= SHORTEST_SECRET)
    .flatMap(({ name, value }) => forms(value).map((form) => ({ name, value: form })))
    .sort((a, b) => b.value.length - a.value.length);
  return replace(text, hidden);
}

function forms(value: string): string[] {
  const squeezed = value.replace(/\s+/g, ' ').trim();
  // Output is quoted by lines: each of a key's lines is secret by itself.
  const lines = value.includes('\n') ? value.split('\n').filter((line) => line.trim().length >= SHORTEST_LINE) : [];
  return [...new Set([value, squeezed, ...lines.map((line) => line.trim())])].flatMap((form) => [
    form,
    JSON.stringify(form).slice(1, -1),
  ]);
}

/** Works on the pieces between what was already replaced, so that a short value is not found inside a placeholder's name. */
function replace(text: string, [first, ...rest]: readonly Secret[]): string {
  if (!first) return text;
  return text
    .split(first.value)
    .map((piece) => replace(piece, rest))
    .join(`\${${first.name}}`);
}
