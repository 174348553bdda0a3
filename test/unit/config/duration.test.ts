import { expect, test } from 'vitest';
import { expectedDuration, formatDuration, parseDuration } from '../../../sidecar/config/duration.ts';

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['1h', 3_600_000],
  ['1.5s', 1500],
  ['0.25h', 900_000],
  ['0', 0],
  ['0s', 0],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '30', '1', '-1s', '1 s', '10 parsecs', '1d', '1s30ms', '1e3s', '.5s', '5.s', 's', '00', '1S'])(
  '%j is no duration',
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test('a duration that would overflow a timer is refused', () => {
  expect(parseDuration('576h')).toBe(576 * 3_600_000);
  expect(parseDuration('577h')).toBeUndefined();
  expect(expectedDuration('577h')).toBe('a duration of at most 576h');
});

test('a bare number is told that its unit is missing', () => {
  expect(expectedDuration('30')).toContain('the unit is missing');
  expect(expectedDuration('10 parsecs')).toBe('a duration such as 500ms, 30s, 10m or 1h');
});

test.each([0, 1, 999, 1000, 1500, 61_000, 90_000, 600_000, 3_600_000, 3_661_001])('%i ms reads back from its own text', (ms) => {
  expect(parseDuration(formatDuration(ms))).toBe(ms);
});

test('a duration is written with the largest unit that fits', () => {
  expect([0, 500, 1500, 90_000, 600_000, 7_200_000].map(formatDuration)).toEqual(['0s', '500ms', '1.5s', '90s', '10m', '2h']);
});
