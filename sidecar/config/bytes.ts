const UNITS = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

const EXAMPLES = 'an amount of memory such as 512m or 1.5g';

/** Bytes of a number with a unit: `1024b`, `300k`, `512m`, `1.5g`; a k is 1024 b. Rounded to whole bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([bkmg])$/.exec(text);
  if (!match) return undefined;
  const bytes = Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** What to expect in place of a text that `parseBytes` refused. */
export function expectedBytes(refused: string): string {
  return /^\d+(\.\d+)?$/.test(refused) ? `${EXAMPLES} (the unit is missing: b, k, m or g)` : EXAMPLES;
}

/** The shortest text that `parseBytes` reads back as the same number of bytes. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => bytes % size === 0) as [string, number];
  return `${bytes / size}${unit}`;
}
