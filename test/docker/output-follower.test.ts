import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';

import type { Engine } from '../../sidecar/runtime/docker/engine.ts';
import { LogFrames } from '../../sidecar/runtime/docker/log-frames.ts';
import { OutputFollower } from '../../sidecar/runtime/docker/output-follower.ts';
import { eventually } from '../support/processes.ts';

/** As the engine sends it. */
function frame(line: string, { channel = 1, time = '2026-11-22T17:20:06.905292928Z' } = {}): Buffer {
  const content = Buffer.from(`${time} ${line}`);
  const header = Buffer.alloc(8);
  header[0] = channel;
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}

function follow(over: { isAlive?: () => boolean; nextBegan?: () => number | null } = {}) {
  const streams: PassThrough[] = [];
  const asked: { since: string }[] = [];
  const logs = (options: { since: string }) => {
    asked.push(options);
    streams.push(new PassThrough());
    return streams.at(-1);
  };
  const open = async (_: string, call: (docker: unknown) => unknown) => call({ getContainer: () => ({ logs }) });
  const follower = new OutputFollower({
    engine: { open } as unknown as Engine,
    container: 'c',
    pattern: /^x/,
    options: {},
    began: 0,
    isAlive: () => true,
    nextBegan: () => null,
    onEnd: () => {},
    ...over,
  });
  return { follower, streams, asked };
}

test('frames are put together however they were cut, each for its channel', () => {
  const all = Buffer.concat([frame('one'), frame('two', { channel: 2 }), frame('')]);
  for (let size = 1; size < all.length; size += 3) {
    const seen: string[] = [];
    const frames = new LogFrames((channel, bytes) => seen.push(`${channel} ${bytes.toString().split(' ')[1]}`));
    for (let from = 0; from < all.length; from += size) frames.push(all.subarray(from, from + size));
    expect(seen).toEqual(['stdout one', 'stderr two', 'stdout ']);
  }
});

test('the lines of both channels are told apart though their parts come in turns', async () => {
  const { follower, streams } = follow();
  await eventually('it reads', () => streams[0]);
  for (const [line, channel] of [
    ['x of ', 1],
    ['no x of ', 2],
    ['out\n', 1],
    ['err\n', 2],
  ] as const)
    streams[0]!.write(frame(line, { channel }));
  await eventually('both are read', () => follower.count === 1);
  expect(follower.last).toBe('x of out');
  follower.end();
});

test('of a flood a bounded share is looked at, and the rest is told of', async () => {
  const { follower, streams } = follow();
  await eventually('it reads', () => streams[0]);
  const line = `${'x'.repeat(999)}\n`;
  const many = Buffer.concat(Array.from({ length: 20_000 }, () => frame(line)));
  streams[0]!.write(many);
  await eventually('all is read', () => follower.count * 1000 + follower.skippedBytes === 20_000_000);
  expect(follower.skippedBytes).toBeGreaterThan(0);
  expect(follower.count).toBeGreaterThanOrEqual(4194);
  follower.end();
});

test('when the engine was away, it goes on behind the last line that it has seen', async () => {
  const { follower, streams, asked } = follow();
  await eventually('it reads', () => streams[0]);
  streams[0]!.write(frame('x1\n'));
  await eventually('it is counted', () => follower.count === 1);
  streams[0]!.destroy(new Error('away'));
  await eventually('it reads again', () => streams[1]);
  expect(asked[1]!.since).toBe('1795368006.905292929');
  streams[1]!.write(frame('x2\n', { time: '2026-11-22T17:20:07.000000000Z' }));
  await eventually('it is counted', () => follower.count === 2);
  follower.end();
});

test('it lets go of the engine at the end, and when the replica is dead and all was read', async () => {
  let alive = true;
  const { follower, streams } = follow({ isAlive: () => alive });
  await eventually('it reads', () => streams[0]);
  alive = false;
  streams[0]!.end(frame('x without a newline'));
  await eventually('it asks once more', () => streams[1]);
  streams[1]!.end();
  await follower.done;
  expect([follower.count, streams.length]).toEqual([1, 2]);
});
