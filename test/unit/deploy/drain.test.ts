import { expect, test } from 'vitest';
import { Drains } from '../../../sidecar/deploy/drain.ts';

test('a color is quiet after two zeros half a second apart', () => {
  const drains = new Drains();
  drains.read('blue', 0, 1000);
  expect(drains.isQuiet('blue')).toBe(false);
  drains.read('blue', 0, 1499);
  expect(drains.isQuiet('blue')).toBe(false);
  drains.read('blue', 0, 1500);
  expect([drains.isQuiet('blue'), drains.isQuiet('green')]).toEqual([true, false]);
});

test('a request in between starts the wait over', () => {
  const drains = new Drains();
  drains.read('green', 0, 0);
  drains.read('green', 1, 400);
  drains.read('green', 0, 600);
  expect(drains.isQuiet('green')).toBe(false);
  drains.read('green', 0, 1099);
  expect(drains.isQuiet('green')).toBe(false);
  drains.read('green', 0, 1100);
  expect(drains.isQuiet('green')).toBe(true);
});

test.each([1, null])('a quiet color is no longer quiet after a reading of %s', (reading) => {
  const drains = new Drains();
  drains.read('blue', 0, 0);
  drains.read('blue', 0, 500);
  expect(drains.isQuiet('blue')).toBe(true);
  drains.read('blue', reading, 600);
  expect(drains.isQuiet('blue')).toBe(false);
  drains.read('blue', 0, 700);
  expect(drains.isQuiet('blue')).toBe(false);
});

test('whatever drains is watched apart', () => {
  const drains = new Drains();
  drains.read('blue', 0, 0);
  drains.read('green', 3, 0);
  drains.read('blue', 0, 500);
  drains.read('green', 3, 500);
  expect([drains.isQuiet('blue'), drains.isQuiet('green')]).toEqual([true, false]);
});
