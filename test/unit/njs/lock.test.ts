import { afterEach, describe, expect, test, vi } from 'vitest';
import { isWorker, locked } from '../../../njs/lock.ts';

/** One shared dict in memory. */
class Zone extends Map<string, string> implements Pick<NgxSharedDict<string>, 'add'> {
  add(key: string, value: string): boolean {
    if (this.has(key)) return false;
    this.set(key, value);
    return true;
  }
}

const KEY = '/lock/backend';
const everybody = () => true;
afterEach(() => {
  vi.useRealTimers();
});

function take<T>(zone: Zone, me: string, critical: () => T, alive: (pid: string) => boolean = everybody): Promise<T | undefined> {
  return locked(zone as unknown as NgxSharedDict<string>, 'backend', me, alive, critical);
}

test('the work is done while its key is held, and what it returns comes back', async () => {
  const zone = new Zone();
  expect(await take(zone, '10.a', () => zone.get(KEY))).toBe('10.a');
  expect(zone.size).toBe(0);
});

test('the lock is free again after work that threw', async () => {
  const zone = new Zone();
  const broken = () => {
    throw new Error('broken');
  };
  await expect(take(zone, '10.a', broken)).rejects.toThrow('broken');
  expect(zone.size).toBe(0);
});

test('locks of different names do not hinder each other', async () => {
  const zone = new Zone([['/lock/other', '11.b']]);
  expect(await take(zone, '10.a', () => 'done')).toBe('done');
});

test('contenders are let in one at a time, each once', async () => {
  const zone = new Zone();
  const order: string[] = [];
  let holder: string | undefined = '99.held';
  zone.set(KEY, holder);
  const names = Array.from({ length: 20 }, (_, index) => `${index}.x`);
  const all = names.map((me) =>
    take(zone, me, () => {
      expect(zone.get(KEY)).toBe(me);
      order.push(me);
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(order).toEqual([]);
  zone.delete(KEY);
  holder = undefined;
  await Promise.all(all);
  expect(order.sort()).toEqual(names.sort());
  expect(zone.size).toBe(0);
});

describe('the lock of a dead holder', () => {
  const dead = (pid: string) => pid !== '99';

  test('is taken over by one after another', async () => {
    const zone = new Zone([[KEY, '99.request']]);
    const entered: string[] = [];
    const all = Array.from({ length: 10 }, (_, index) => take(zone, `${index}.x`, () => entered.push(zone.get(KEY)!), dead));
    await Promise.all(all);
    expect(new Set(entered).size).toBe(10);
    expect(zone.has(KEY)).toBe(false);
  });

  test('is never taken over by a second one that saw the same holder', async () => {
    const zone = new Zone([[KEY, '99.request']]);
    const inside: string[] = [];
    /** The second one is between seeing the dead holder and breaking its lock when the first one goes all the way. */
    const slow = (pid: string) => {
      if (inside.length === 0 && pid === '99') {
        inside.push('first');
        zone.add(`${KEY}/broken/99.request`, '1.first');
        zone.set(KEY, '1.first');
      }
      return dead(pid);
    };
    const second = take(zone, '2.second', () => inside.push('second'), slow);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(inside).toEqual(['first']);
    expect(zone.get(KEY)).toBe('1.first');
    zone.delete(KEY);
    await second;
    expect(inside).toEqual(['first', 'second']);
  });

  test('is taken over also when whoever began to take it over has died on the way', async () => {
    vi.useFakeTimers();
    const zone = new Zone([
      [KEY, '98.request'],
      [`${KEY}/broken/98.request`, '99.other'],
    ]);
    const done = take(
      zone,
      '10.a',
      () => 'done',
      (pid) => pid === '10',
    );
    await vi.advanceTimersByTimeAsync(2100);
    expect(await done).toBe('done');
  });
});

test('patience ends after 2 s with undefined, and the holder keeps the lock', async () => {
  vi.useFakeTimers();
  const zone = new Zone([[KEY, '11.b']]);
  const critical = vi.fn();
  let ended = false;
  const waiting = take(zone, '10.a', critical).finally(() => {
    ended = true;
  });
  await vi.advanceTimersByTimeAsync(1990);
  expect(ended).toBe(false);
  await vi.advanceTimersByTimeAsync(20);
  expect(await waiting).toBeUndefined();
  expect(critical).not.toHaveBeenCalled();
  expect(zone.get(KEY)).toBe('11.b');
});

test('a lock that is freed in time is had', async () => {
  vi.useFakeTimers();
  const zone = new Zone([[KEY, '11.b']]);
  const waiting = take(zone, '10.a', () => 'done');
  await vi.advanceTimersByTimeAsync(1900);
  zone.delete(KEY);
  await vi.advanceTimersByTimeAsync(10);
  expect(await waiting).toBe('done');
});

describe('a worker', () => {
  const stat = (text: string) => ({ readFileSync: () => text });
  const gone = {
    readFileSync: () => {
      throw new Error('ENOENT');
    },
  };

  test('runs while it has our master as its parent', () => {
    expect(isWorker(stat(`10 (nginx) S ${process.ppid} 9 9`), '10')).toBe(true);
    expect(isWorker(stat(`10 (nginx: a ) R 1) R ${process.ppid} 9 9`), '10')).toBe(true);
  });

  test('is none when it is another process, a zombie or gone', () => {
    expect(isWorker(stat('10 (nginx) S 1 9 9'), '10')).toBe(false);
    expect(isWorker(stat(`10 (nginx) Z ${process.ppid} 9 9`), '10')).toBe(false);
    expect(isWorker(stat(`10 (nginx) X ${process.ppid} 9 9`), '10')).toBe(false);
    expect(isWorker(gone, '10')).toBe(false);
  });
});
