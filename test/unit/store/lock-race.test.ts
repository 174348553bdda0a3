import * as files from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { identify } from '../../../sidecar/process-identity.ts';
import { lockState } from '../../../sidecar/store/lock.ts';
import { folderWith } from '../config/temp.ts';

vi.mock('node:fs/promises', async (original) => ({ ...(await original<typeof files>()) }));

/** The text of a lock whose owner lives: the process that started this one. */
function living(): string {
  return JSON.stringify({ ...identify(process.ppid), since: '2026-01-01T00:00:00.000Z' });
}

test('a takeover that comes too late never leaves a living owner without its lock, not for a moment', async () => {
  const lock = join(await folderWith({ lock: 'of a dead owner' }), 'lock');
  const real = await vi.importActual<typeof files>('node:fs/promises');
  const free: boolean[] = [];
  const look = async () =>
    free.push(
      await real.access(lock).then(
        () => false,
        () => true,
      ),
    );
  let taken = false;
  // Between any two steps of the late one: another has taken the dead lock over, and a third looks whether it is free.
  for (const name of ['link', 'rename', 'rm', 'readFile'] as const) {
    vi.spyOn(files, name).mockImplementation((async (...args: never[]) => {
      if (taken) await look();
      try {
        return await (real[name] as (...args: never[]) => Promise<unknown>)(...args);
      } finally {
        if (!taken && name === 'readFile') {
          await real.writeFile(lock, living());
          taken = true;
        }
        if (taken) await look();
      }
    }) as never);
  }
  await expect(lockState(join(lock, '..'))).rejects.toMatchObject({ code: 'state-locked' });
  expect(await real.readFile(lock, 'utf8')).toBe(living());
  expect(free).not.toContain(true);
});
