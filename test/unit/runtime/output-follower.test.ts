import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { OutputFollower } from '../../../sidecar/runtime/process/output-follower.ts';
import { eventually, temporaryFolder } from '../../support/processes.ts';

describe('following a log', () => {
  let folder: string;
  let path: string;
  let alive: boolean;
  let ended: number;
  let begun: OutputFollower[];

  beforeEach(async () => {
    folder = await temporaryFolder();
    path = join(folder, 'log');
    await writeFile(path, 'x before\n');
    alive = true;
    ended = 0;
    begun = [];
  });

  afterEach(async () => {
    for (const one of begun) one.end();
    await rm(folder, { recursive: true });
  });

  function follow(isAlive = () => alive, back = 0): OutputFollower {
    const follower = new OutputFollower({
      path,
      pattern: /x/,
      options: { back },
      from: async () => 0,
      isAlive,
      onEnd: () => {
        ended += 1;
      },
    });
    begun.push(follower);
    return follower;
  }

  test('a line is heard within a look, also after a time without any', async () => {
    const looks: number[] = [];
    const follower = follow(() => looks.push(performance.now()) > 0);
    await eventually('it has looked some times', () => looks.length >= 4);
    await appendFile(path, 'x1\n');
    const before = looks.length;
    await eventually('it is heard', () => follower.count === 1);
    expect(looks.length - before).toBeLessThanOrEqual(2);
    const waits = looks.slice(1).map((at, index) => at - (looks[index] ?? 0));
    // The median: a busy machine is late at times.
    expect(waits.sort((one, other) => one - other)[Math.floor(waits.length / 2)]).toBeLessThan(300);
  });

  test('several are followed side by side, and one that ends takes no other with it', async () => {
    const [first, second] = [follow(), follow(undefined, 1)];
    await eventually('the line before is heard', () => second.count === 1);
    await appendFile(path, 'x1\n');
    await eventually('both hear it', () => first.count === 1 && second.count === 2);
    first.end();
    await appendFile(path, 'x2\n');
    await eventually('the other hears it', () => second.count === 3);
    expect([first.count, ended]).toEqual([1, 1]);
    const third = follow();
    second.end();
    await appendFile(path, 'x3\n');
    await eventually('one that came later hears it', () => third.count === 1);
  });

  test('what was written between the last look and the end is heard, without a newline too', async () => {
    const follower = follow(() => alive);
    await appendFile(path, 'x1\n');
    await eventually('it follows', () => follower.count === 1);
    await appendFile(path, 'x2\nx3');
    alive = false;
    await eventually('it has ended', () => ended === 1);
    expect(follower).toMatchObject({ count: 3, last: 'x3' });
  });
});
