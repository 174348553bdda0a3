/** Milliseconds in each unit, largest first. */
const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/** A timer of Node wraps round and fires at once beyond 2^31 - 1 ms; 576 h are 24 days, just below. */
export const LONGEST_DURATION = 576 * 3_600_000;

const EXAMPLES = 'a duration such as 500ms, 30s, 10m or 1h';

/**
 * Milliseconds of a number with a unit: `500ms`, `1.5s`, `10m`, `1h`; `0` needs no unit. Rounded to whole milliseconds.
 * `undefined` when the text is no duration; `expectedDuration` then says why.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!match) return undefined;
  const unit = UNITS.find(([name]) => name === match[2])![1];
  const ms = Math.round(Number(match[1]) * unit);
  return ms <= LONGEST_DURATION ? ms : undefined;
}

/** What to expect in place of a text that `parseDuration` refused. */
export function expectedDuration(refused: string): string {
  if (/^\d+(\.\d+)?$/.test(refused)) return `${EXAMPLES} (the unit is missing: ms, s, m or h)`;
  if (/^\d+(\.\d+)?(ms|s|m|h)$/.test(refused)) return `a duration of at most ${formatDuration(LONGEST_DURATION)}`;
  return EXAMPLES;
}

/** The shortest text that `parseDuration` reads back as the same number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const [name, size] of UNITS) {
    if (ms % size === 0 && name !== 'ms') return `${ms / size}${name}`;
  }
  return ms > 1000 ? `${ms / 1000}s` : `${ms}ms`;
}
