import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from '../../build/lock.js';

const LOCK_JS = new URL('../../build/lock.js', import.meta.url).href;
let home: string;
let lock: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'turnout-lock-'));
  lock = join(home, 'deep/er.lock');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A process of its own that takes the lock, says so, and does `work`. */
function taker(work: string) {
  const code = `import fs from 'node:fs'; import { setTimeout as sleep } from 'node:timers/promises';
    import { withLock } from ${JSON.stringify(LOCK_JS)};
    await withLock(${JSON.stringify(lock)}, async () => { ${work} });`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
}

const ended = (child: ReturnType<typeof taker>) => new Promise<number | null>((resolve) => child.once('close', resolve));
const said = (child: ReturnType<typeof taker>) => new Promise((resolve) => child.stdout.once('data', resolve));

test('what the work returns comes back, and nothing is left behind', async () => {
  expect(await withLock(lock, async () => 'done')).toBe('done');
  expect(readdirSync(join(home, 'deep'))).toEqual([]);
});

test('the lock is free again after work that threw', async () => {
  await expect(withLock(lock, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(readdirSync(join(home, 'deep'))).toEqual([]);
});

test('processes that race are let in one at a time', async () => {
  const trace = join(home, 'trace');
  const write = (word: string) => `fs.appendFileSync(${JSON.stringify(trace)}, '${word}\\n');`;
  const racers = Array.from({ length: 6 }, () => taker(`${write('in')} await sleep(20); ${write('out')}`));
  expect(await Promise.all(racers.map(ended))).toEqual([0, 0, 0, 0, 0, 0]);
  expect(readFileSync(trace, 'utf8')).toBe('in\nout\n'.repeat(6));
});

test('the lock of a killed process is taken over by exactly one of those that wait', async () => {
  const killed = taker(`console.log('in'); await sleep(60_000);`);
  await said(killed);
  const trace = join(home, 'trace');
  const waiting = Promise.all(
    Array.from({ length: 8 }, () =>
      withLock(lock, async () => {
        appendFileSync(trace, 'in\n');
        await new Promise((resolve) => setTimeout(resolve, 5));
        appendFileSync(trace, 'out\n');
      }),
    ),
  );
  killed.kill('SIGKILL');
  await waiting;
  expect(readFileSync(trace, 'utf8')).toBe('in\nout\n'.repeat(8));
  expect(readdirSync(join(home, 'deep'))).toEqual([]);
});

test('a lock whose pid now belongs to another process is stale', async () => {
  mkdirSync(lock, { recursive: true });
  writeFileSync(join(lock, `${process.pid}-1-00000000`), '');
  expect(await withLock(lock, async () => 'mine', { limit: 300 })).toBe('mine');
});

test('waiting ends after the limit, naming who holds the lock', async () => {
  const held = withLock(lock, () => new Promise((resolve) => setTimeout(resolve, 400)));
  await expect.poll(() => existsSync(lock)).toBe(true);
  await expect(withLock(lock, async () => {}, { limit: 60 })).rejects.toThrow(`process ${process.pid}`);
  await held;
});
