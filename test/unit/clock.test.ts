import { afterEach, describe, expect, test, vi } from 'vitest';
import { restFrom, systemClock } from '../../sidecar/clock.ts';

/** A full second. */
const WALL = Date.parse('2026-01-01T00:00:00.000Z');

afterEach(() => {
  vi.useRealTimers();
});

describe('a rest', () => {
  test.each([
    // Due at 253, 750, 1,005, 1,124, 1,126 and 4,120 ms.
    [3, 250, 247],
    [0, 750, 750],
    [5, 1000, 995],
    [124, 1000, 876],
    [126, 1000, 1124],
    [120, 4000, 3880],
  ])('that begins %i ms after a full second and is to take %i ms takes %i ms', (after, ms, takes) => {
    expect(restFrom(WALL + after, ms)).toBe(takes);
  });

  test.each([0, 1, 100, 249])('of %i ms, less than a quarter of a second, is exact', (ms) => {
    expect(restFrom(WALL + 77, ms)).toBe(ms);
  });

  test('of everybody ends in the same turns, whenever it began', () => {
    const ends = Array.from({ length: 1000 }, (_, after) => WALL + after + restFrom(WALL + after, 750));
    expect(new Set(ends.map((end) => end % 250))).toEqual(new Set([0]));
    expect(Math.max(...ends.map((end, after) => Math.abs(end - WALL - after - 750)))).toBeLessThanOrEqual(125);
  });

  test('of many ends in the same turn only for sixteen, and the others take what they asked for', async () => {
    vi.useFakeTimers({ now: WALL + 100 });
    const took: number[] = [];
    const one = async (ms: number) => {
      await systemClock.rest(ms);
      took.push(Date.now() - WALL - 100);
    };
    for (let i = 0; i < 40; i++) void one(250);
    await vi.advanceTimersByTimeAsync(150);
    expect(took).toEqual(Array.from({ length: 16 }, () => 150));
    await vi.advanceTimersByTimeAsync(100);
    expect(took.slice(16)).toEqual(Array.from({ length: 24 }, () => 250));
    // Who has left makes room, and every turn has its own.
    took.length = 0;
    for (let i = 0; i < 17; i++) void one(250);
    void one(500);
    await vi.advanceTimersByTimeAsync(150);
    expect(took).toHaveLength(16);
    await vi.advanceTimersByTimeAsync(250);
    expect(took).toHaveLength(18);
  });

  test('ends at once when it is aborted', async () => {
    const stop = new AbortController();
    const begun = performance.now();
    const rest = systemClock.rest(10_000, stop.signal);
    stop.abort();
    await rest;
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
