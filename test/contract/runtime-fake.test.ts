import { expect, test } from 'vitest';

import { FakeRuntime } from '../../sidecar/runtime/fake.ts';
import { makeSpec } from './runtime-bench.ts';

const SOFTLY = { signal: 'SIGTERM', timeout: 0 } as const;

test('a fake replica uses what the test says', async () => {
  const runtime = new FakeRuntime();
  const replica = await runtime.start(await makeSpec());
  runtime.use(replica.id, { cpu: 1.5, memory: 1000 });
  expect(await runtime.resources(replica)).toEqual({ cpu: 1.5, memory: 1000 });
  expect(await runtime.resources(replica)).toEqual({ cpu: 1.5, memory: 1000 });
  runtime.crash(replica.id);
  expect(await runtime.resources(replica)).toBeNull();
});

test('a fake stop fails once when the test says so, and only where there is something to stop', async () => {
  const runtime = new FakeRuntime();
  const replica = await runtime.start(await makeSpec());
  const error = new Error('no');
  runtime.failNextStop(error);
  await runtime.stop({ ...replica, id: 'gone' }, SOFTLY);
  await expect(runtime.stop(replica, SOFTLY)).rejects.toBe(error);
  expect(await runtime.list()).toEqual([replica]);
  await runtime.stop(replica, SOFTLY);
  expect(await runtime.list()).toEqual([]);
});

test('a fake sweep ends the strays that the test has put there, once', async () => {
  const runtime = new FakeRuntime();
  runtime.strays.push('pid 7', 'pid 9');
  expect(await runtime.sweep()).toEqual(['pid 7', 'pid 9']);
  expect(await runtime.sweep()).toEqual([]);
});
