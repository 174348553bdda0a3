import { beforeEach, expect, test } from 'vitest';
import { type LogLine, LogStream } from '../../../sidecar/monitor/log-stream.ts';
import { FakeRuntime } from '../../../sidecar/runtime/fake.ts';
import type { OutputMatches } from '../../../sidecar/runtime/runtime.ts';
import { makeSpec } from '../../contract/runtime-bench.ts';
import { FakeClock } from '../../support/clock.ts';
import { eventually } from '../../support/processes.ts';

let clock: FakeClock;
let runtime: FakeRuntime;
let logs: LogStream;
let isThere: boolean;
let told: string[];
const tell = ({ color, slot, line }: LogLine) => void told.push(`${color}-${slot} ${line}`);

beforeEach(() => {
  clock = new FakeClock();
  runtime = new FakeRuntime();
  isThere = true;
  told = [];
  const redact = (text: string) => text.replaceAll('hunter22', '${PW}');
  logs = new LogStream('backend', () => isThere, { clock, runtime, redact });
});

async function start(slot: number, ...lines: string[]): Promise<string> {
  const { id } = await runtime.start(await makeSpec({ slot }));
  runtime.output(id, lines);
  return id;
}

test('the last lines of each replica of the color, without secrets', async () => {
  await start(1, 'a', 'b hunter22', 'c');
  await start(2, 'd');
  await runtime.start(await makeSpec({ color: 'green' }));
  await logs.tail('blue', 2, tell);
  expect(told).toEqual(['blue-1 b ${PW}', 'blue-1 c', 'blue-2 d']);
});

test('of an endless line only its begin is told', async () => {
  await start(1, 'x'.repeat(64 * 1024));
  await logs.tail('blue', 1, tell);
  expect(told[0]).toHaveLength('blue-1 '.length + 16 * 1024);
});

test('following goes on with what is started later, from its first line, and ends with the signal', async () => {
  const begun: OutputMatches[] = [];
  const { matchOutput } = runtime;
  runtime.matchOutput = (...words) => {
    const matches = matchOutput.apply(runtime, words);
    begun.push(matches);
    return matches;
  };
  const first = await start(1, 'a', 'b');
  const ending = new AbortController();
  const followed = logs.follow('blue', 1, tell, ending.signal);
  await clock.asleep();
  runtime.output(first, ['c hunter22']);
  expect(told).toEqual(['blue-1 b', 'blue-1 c ${PW}']);
  runtime.output(first, ['last words']);
  runtime.crash(first);
  const second = await start(1, 'hello', 'again');
  clock.advance(300);
  await eventually('the next is followed', () => told.length === 5);
  runtime.output(second, ['on']);
  expect(told.slice(2)).toEqual(['blue-1 last words', 'blue-1 hello', 'blue-1 again', 'blue-1 on']);
  ending.abort();
  await followed;
  const read = begun.map((one) => one.count);
  runtime.output(second, ['unheard']);
  expect(told).toHaveLength(6);
  expect(
    begun.map((one) => one.count),
    'nothing is read any more',
  ).toEqual(read);
});

test('following ends when the service is gone, and outlives a runtime that is away for a moment', async () => {
  const id = await start(1, 'a');
  const { list } = runtime;
  runtime.list = async () => {
    throw new Error('away');
  };
  const followed = logs.follow('blue', 10, tell, new AbortController().signal);
  await clock.asleep();
  runtime.list = list;
  clock.advance(300);
  await eventually('it is followed', () => told.length === 1);
  runtime.output(id, ['b']);
  expect(told).toEqual(['blue-1 a', 'blue-1 b']);
  isThere = false;
  await clock.asleep();
  clock.advance(300);
  await followed;
});
