import { randomUUID } from 'node:crypto';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { identify, isAlive, processGroup } from '../../sidecar/process-identity.ts';
import { bystander, eventually, isRunning, killLeftovers, temporaryFolder } from '../support/processes.ts';

describe('the identity of a process', () => {
  test('there is none without a process', () => {
    expect(identify(2 ** 22 + 1)).toBeNull();
  });

  test('it outlives being written down, and ends with its process', async () => {
    const token = randomUUID();
    const child = bystander(['sleep', '600'], token);
    try {
      const identity = JSON.parse(JSON.stringify(identify(child.pid!)));
      expect(isAlive(identity)).toBe(true);
      expect(isAlive({ ...identity, startTime: `${identity.startTime}1` })).toBe(false);
      expect(isAlive({ ...identity, bootId: 'x' })).toBe(false);
      child.kill('SIGKILL');
      await eventually('it has ended', () => !isRunning(child.pid!));
      expect(isAlive(identity)).toBe(false);
    } finally {
      killLeftovers(token);
    }
  });

  test('a program may hide spaces, parentheses and numbers in its name', async () => {
    const token = randomUUID();
    const folder = await temporaryFolder();
    const program = join(folder, 'a) Z 1 2 (b) 3');
    await copyFile('/bin/sleep', program);
    const child = bystander([program, '600'], token);
    try {
      const pid = child.pid!;
      expect(identify(pid)?.startTime).toMatch(/^\d+$/);
      expect(Number(identify(pid)!.startTime)).toBeGreaterThanOrEqual(Number(identify(process.pid)!.startTime));
      expect(isAlive(identify(pid)!)).toBe(true);
      expect(processGroup(pid)).toEqual([pid]);
    } finally {
      killLeftovers(token);
      await rm(folder, { recursive: true });
    }
  });
});
