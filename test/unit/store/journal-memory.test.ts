import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Counts } from '../../../njs/conviction.ts';
import { Journal, type Written } from '../../../sidecar/store/journal.ts';
import { flipTo } from '../../support/builders-record.ts';
import { folderWith } from '../config/temp.ts';

const COUNT = 300;
/** Bytes: an ordinary object of six keys has 200, one with room for 764 array elements over 6,000. */
const EACH = 3000;

test('a line in memory is small, whatever the object was like that it was written from', async () => {
  const { journal } = await Journal.open(join(await folderWith({}), 'journal.jsonl'));
  const lines: Written[] = [];
  const before = used();
  for (let i = 0; i < COUNT; i++) {
    const traffic = { epoch: '1.1', colors: { blue: counts(i), green: counts(i) } };
    lines.push(await journal.append(flipTo('green', 'v2', { traffic }), new Date()));
  }
  expect((used() - before) / COUNT).toBeLessThan(EACH);
  expect(lines).toHaveLength(COUNT);
  await journal.close();
});

/** Copied as counters are: V8 takes `499` for the index of an array. */
function counts(count: number): Counts {
  return { finished: { ...{ '2xx': count, '4xx': 0, '499': 0 } }, durations: [count], failedOver: 0 };
}

function used(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
