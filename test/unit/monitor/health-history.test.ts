import { beforeEach, expect, test } from 'vitest';
import { HealthHistory } from '../../../sidecar/monitor/health-history.ts';
import { healthConfig } from '../../support/builders-config.ts';
import { FakeClock } from '../../support/clock.ts';

let clock: FakeClock;
let history: HealthHistory;
/** What the next checks come to, in their order. */
let verdicts: boolean[];
let check: ReturnType<HealthHistory['remembering']>;

beforeEach(() => {
  clock = new FakeClock();
  history = new HealthHistory(clock);
  verdicts = [];
  check = history.remembering(async () => ({ ok: verdicts.shift() ?? true, answered: true, detail: '' }));
});

async function run(pattern: string, { watch = new AbortController().signal, every = 1000 } = {}): Promise<void> {
  for (const one of pattern) {
    verdicts.push(one === '+');
    await check('a:1', healthConfig(), watch);
    clock.advance(every);
  }
}

test('what checks came to is counted, and each fall from well to ill', async () => {
  await run('++-+--+-');
  expect(history.of('a:1')).toEqual({ ok: 4, total: 8, flaps: 3 });
  expect(history.of('b:1')).toEqual({ ok: 0, total: 0, flaps: 0 });
});

test('whoever has not answered well yet is starting, and does not fail', async () => {
  await run('---+');
  expect(history.of('a:1')).toEqual({ ok: 1, total: 1, flaps: 0 });
});

test('another watch is another replica: what was there before it is forgotten', async () => {
  await run('+-+-');
  await run('-+');
  expect(history.of('a:1')).toEqual({ ok: 1, total: 1, flaps: 0 });
});

test('a check that was given up, and one that could not be made, tell nothing', async () => {
  const watch = new AbortController();
  await run('+', { watch: watch.signal });
  watch.abort();
  await run('-', { watch: watch.signal });
  const unasked = history.remembering(async () => ({ ok: false, answered: false, unasked: true, detail: '' }));
  await unasked('a:1', healthConfig(), new AbortController().signal);
  expect(history.of('a:1')).toEqual({ ok: 1, total: 1, flaps: 0 });
});

test('after 5 min all is forgotten, and however often is asked, no more than a part a second is kept', async () => {
  const { signal: watch } = new AbortController();
  await run('+'.repeat(10_000), { watch, every: 100 });
  expect(history.of('a:1').total).toBeGreaterThanOrEqual(3000);
  expect(history.of('a:1').total).toBeLessThanOrEqual(3010);
  clock.advance(301_000);
  expect(history.of('a:1').total).toBe(0);
});
