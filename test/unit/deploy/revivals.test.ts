import { expect, test } from 'vitest';
import { Revivals } from '../../../sidecar/deploy/revivals.ts';

/** For how long `blue-1` rests after a revival at `now`. */
function restAfter(revivals: Revivals, now: number): number {
  revivals.revived('blue-1', 'd1', now);
  let ms = 0;
  while (revivals.resting(now + ms).has('blue-1')) ms += 250;
  return ms;
}

test('a slot that was never revived does not rest', () => {
  expect(new Revivals().resting(0).size).toBe(0);
});

test('each death doubles the rest, up to half a minute', () => {
  const revivals = new Revivals();
  const rests = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((n) => restAfter(revivals, n * 40_000));
  expect(rests).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a slot whose replica lived for a minute begins anew', () => {
  const revivals = new Revivals();
  expect(restAfter(revivals, 0)).toBe(500);
  expect(restAfter(revivals, 59_999)).toBe(1000);
  expect(restAfter(revivals, 119_999)).toBe(500);
});

test('slots rest apart', () => {
  const revivals = new Revivals();
  revivals.revived('blue-1', 'd1', 0);
  revivals.revived('green-1', 'd2', 400);
  expect([...revivals.resting(499)]).toEqual(['blue-1', 'green-1']);
  expect([...revivals.resting(500)]).toEqual(['green-1']);
});

test('five deaths in a row are a crash loop, until the last one is a minute ago', () => {
  const revivals = new Revivals();
  const loops = [0, 1, 2, 3, 4, 5].map((n) => revivals.revived('blue-1', 'd1', n * 1000));
  expect(loops).toEqual([false, false, false, false, true, true]);
  expect([...revivals.loops(64_999)]).toEqual(['blue-1']);
  expect([...revivals.loops(65_000)]).toEqual([]);
});

test('replicas that were started again are counted by deployment', () => {
  const revivals = new Revivals();
  revivals.revived('blue-1', 'd1', 0);
  revivals.revived('blue-2', 'd1', 100_000);
  revivals.revived('green-1', 'd2', 0);
  expect([revivals.countOf('d1'), revivals.countOf('d2'), revivals.countOf('d3')]).toEqual([2, 1, 0]);
});
