import { expect, test } from 'vitest';
import { Drains } from '../../../sidecar/deploy/drain.ts';

test('a color is quiet after two zeros half a second apart', () => {
  const drains = new Drains();
  drains.read('blue', 0, 1000);
  expect(drains.quiet).toEqual({ blue: false, green: false });
  drains.read('blue', 0, 1499);
  expect(drains.quiet.blue).toBe(false);
  drains.read('blue', 0, 1500);
  expect(drains.quiet).toEqual({ blue: true, green: false });
});

test('a request in between starts the wait over', () => {
  const drains = new Drains();
  drains.read('green', 0, 0);
  drains.read('green', 1, 400);
  drains.read('green', 0, 600);
  expect(drains.quiet.green).toBe(false);
  drains.read('green', 0, 1099);
  expect(drains.quiet.green).toBe(false);
  drains.read('green', 0, 1100);
  expect(drains.quiet.green).toBe(true);
});

test.each([1, null])('a quiet color is no longer quiet after a reading of %s', (reading) => {
  const drains = new Drains();
  drains.read('blue', 0, 0);
  drains.read('blue', 0, 500);
  expect(drains.quiet.blue).toBe(true);
  drains.read('blue', reading, 600);
  expect(drains.quiet.blue).toBe(false);
  drains.read('blue', 0, 700);
  expect(drains.quiet.blue).toBe(false);
});

test('both colors are watched apart', () => {
  const drains = new Drains();
  drains.read('blue', 0, 0);
  drains.read('green', 3, 0);
  drains.read('blue', 0, 500);
  drains.read('green', 3, 500);
  expect(drains.quiet).toEqual({ blue: true, green: false });
});

test('what was read is forgotten', () => {
  const drains = new Drains();
  drains.read('blue', 0, 0);
  drains.forget();
  drains.read('blue', 0, 600);
  expect(drains.quiet.blue).toBe(false);
});
