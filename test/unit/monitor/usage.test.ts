import { beforeEach, expect, test } from 'vitest';
import { Usage } from '../../../sidecar/monitor/usage.ts';
import { FakeClock } from '../../support/clock.ts';
import { MIB } from './looked.ts';

let clock: FakeClock;
let usage: Usage;

beforeEach(() => {
  clock = new FakeClock();
  usage = new Usage(clock, 0);
});

/** A reading every 2 s. */
function live(seconds: number, memory: (second: number) => number, cpu: (second: number) => number | null = () => 0.1): void {
  for (let second = 0; second <= seconds; second += 2) {
    usage.take({ memory: memory(second) * MIB, cpu: cpu(second) });
    if (second < seconds) clock.advance(2000);
  }
}

test('nothing is known at first, and of the processor only after two readings', () => {
  expect(usage.report()).toEqual({ cpu: null, memory: null, growth: null });
  live(
    2,
    () => 50,
    (second) => (second === 0 ? null : 0.5),
  );
  expect(usage.report()).toEqual({ cpu: null, memory: 50 * MIB, growth: null });
  live(
    2,
    () => 51,
    () => 0.5,
  );
  expect(usage.report().cpu).toBeCloseTo(0.5);
});

test('the processor is known at any moment when the readings come as far apart as the monitor takes them', () => {
  for (let reading = 0; reading < 10; reading++) {
    usage.take({ memory: 50 * MIB, cpu: reading === 0 ? null : 0.5 });
    for (let moment = 0; moment < 4000; moment += 250) {
      expect(usage.report().cpu).toBe(reading < 2 ? null : 0.5);
      clock.advance(250);
    }
  }
});

test('the processor is averaged over 10 s, so that no start convicts anybody', () => {
  live(
    20,
    () => 50,
    (second) => (second < 8 ? 1 : 0.1),
  );
  expect(usage.report().cpu).toBeCloseTo(0.1);
});

test('memory that grows evenly is a leak also when every reading comes a millisecond early', () => {
  for (let reading = 0; reading <= 14; reading++) {
    usage.take({ memory: (50 + 4 * reading) * MIB, cpu: 0.1 });
    if (reading < 14) clock.advance(3999);
  }
  expect(usage.report().growth).not.toBeNull();
});

test('memory that grows evenly is a leak, by so many bytes a minute', () => {
  live(60, (second) => 50 + second);
  expect(usage.report().growth).toBeCloseTo(60 * MIB);
});

test.each<[string, (second: number) => number]>([
  ['stays', () => 100],
  ['grows by little', (second) => 50 + second * 0.3],
  ['grows by little of much', (second) => 2000 + second],
  ['fills a cache and slows down', (second) => 50 + 200 * (1 - Math.exp(-second / 15))],
  ['is collected now and then', (second) => 50 + (second % 20) * 5],
  ['jumps once', (second) => (second < 30 ? 50 : 150)],
  ['falls', (second) => 300 - second],
])('memory that %s is no leak', (_, memory) => {
  for (let until = 2; until <= 90; until += 2) {
    usage.take({ memory: memory(until) * MIB, cpu: 0.1 });
    expect(usage.report().growth, `after ${until} s`).toBeNull();
    clock.advance(2000);
  }
});

test('what grows while it starts is not judged yet', () => {
  live(38, (second) => 50 + second * 2);
  expect(usage.report().growth).toBeNull();
  live(10, (second) => 130 + second * 2);
  expect(usage.report().growth).not.toBeNull();
});
