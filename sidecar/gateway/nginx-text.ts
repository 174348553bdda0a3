/** A word of nginx' configuration, quoted so that no path or name can end it. */
export function quoted(word: string): string {
  return `"${word.replace(/[\\"]/g, '\\$&')}"`;
}

/** Blocks of nginx' configuration by their depth; four spaces each. */
export function block(head: string, body: string[]): string[] {
  return [`${head} {`, ...body.map((line) => (line === '' ? '' : `    ${line}`)), '}'];
}

/** Milliseconds in nginx' own unit. */
export function nginxTime(ms: number): string {
  return `${Math.round(ms)}ms`;
}
