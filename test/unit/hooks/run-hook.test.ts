import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { HookFacts, HookResult } from '../../../sidecar/hooks/hook.ts';
import { type HookOptions, runHook } from '../../../sidecar/hooks/run-hook.ts';
import { FakeClock } from '../../support/clock.ts';
import { eventually, fixture, killLeftovers, processesOf, temporaryFolder, tokenVariable } from '../../support/processes.ts';

const FACTS: HookFacts = {
  event: 'beforeSwitch',
  service: 'backend',
  release: 'v2',
  previous: 'v1',
  color: 'green',
  deployment: 'd-7',
  phase: 'switching',
  reason: 'gate-passed',
};

const node = (code: string): string[] => [process.execPath, '-e', code];

describe('runHook', () => {
  let folder: string;
  let token: string;
  let options: HookOptions;

  beforeEach(async () => {
    folder = await temporaryFolder();
    token = randomUUID();
    options = { cwd: folder, env: { PATH: process.env.PATH, ...tokenVariable(token) }, log: join(folder, 'logs', 'hook.log') };
  });

  afterEach(async () => {
    killLeftovers(token);
    await rm(folder, { recursive: true });
  });

  function run(
    command: string[],
    over: Partial<HookOptions> & { timeout?: number; facts?: HookFacts } = {},
  ): Promise<HookResult> {
    const { timeout = 20_000, facts = FACTS, ...rest } = over;
    return runHook({ command, timeout }, facts, { ...options, ...rest });
  }

  const output = () => readFile(options.log, 'utf8');
  const running = () => processesOf(token).length;

  test('exit code 0 within the limit is ok', async () => {
    const result = await run(node('console.log("out"); console.error("err")'));
    expect(result).toMatchObject({ ok: true, code: 0, signal: null, timedOut: false, lastLines: ['out', 'err'] });
    expect(result.ms).toBeGreaterThan(0);
    expect(result.message).toMatch(/^beforeSwitch hook `.*node -e .*` ended with exit code 0 after \d/);
  });

  test('another exit code is not, and the message says what was run, how it ended and what was expected', async () => {
    const result = await run(['sh', '-c', 'echo no space; exit 3']);
    expect(result).toMatchObject({ ok: false, code: 3, signal: null, timedOut: false, lastLines: ['no space'] });
    expect(result.message).toMatch(
      /^beforeSwitch hook `sh -c "echo no space; exit 3"` ended with exit code 3 after \S+; expected exit code 0 within 20s$/,
    );
  });

  test('a signal that ended it is named', async () => {
    const result = await run(['sh', '-c', 'kill -USR1 $$']);
    expect(result).toMatchObject({ ok: false, code: null, signal: 'SIGUSR1', timedOut: false });
    expect(result.message).toContain('was ended by SIGUSR1 after ');
  });

  test('the command gets the facts, and of the environment all but TURNOUT_* and npm_*', async () => {
    const env = { ...options.env, KEPT: 'yes', TURNOUT_TOKEN: 'x', turnout_small: 'x', npm_config_cache: 'x', NPM_TOKEN: 'x' };
    await run(node('console.log(JSON.stringify(process.env))'), { env });
    const { TURNOUT_REPLICA, ...seen } = JSON.parse(await output()) as Record<string, string>;
    expect(TURNOUT_REPLICA).toMatch(/^hook\|/);
    expect(seen).toEqual({
      ...options.env,
      KEPT: 'yes',
      TURNOUT_EVENT: 'beforeSwitch',
      TURNOUT_SERVICE: 'backend',
      TURNOUT_RELEASE: 'v2',
      TURNOUT_PREVIOUS: 'v1',
      TURNOUT_COLOR: 'green',
      TURNOUT_DEPLOYMENT: 'd-7',
      TURNOUT_PHASE: 'switching',
      TURNOUT_REASON: 'gate-passed',
    });
  });

  test('without a previous release its variable is empty', async () => {
    await run(['sh', '-c', 'echo "[$TURNOUT_PREVIOUS]"'], { facts: { ...FACTS, previous: null } });
    expect(await output()).toBe('[]\n');
  });

  test('{release} is filled in as it is, and no shell reads the command', async () => {
    await run(['printf', '%s\\n', 'a {release}-{release}', '$HOME; true'], { facts: { ...FACTS, release: '$& v2' } });
    expect(await output()).toBe('a $& v2-$& v2\n$HOME; true\n');
  });

  test('it runs in the folder, and finds programs by their path in it', async () => {
    await writeFile(join(folder, 'here.sh'), '#!/bin/sh\npwd\n');
    await chmod(join(folder, 'here.sh'), 0o700);
    expect((await run(['./here.sh'])).lastLines).toEqual([folder]);
  });

  test('all output is appended to the file, and the result holds the last 10 lines of this run', async () => {
    await run(['echo', 'first run']);
    const result = await run(node('for (let i = 1; i <= 20000; i++) console.log("line " + i)'));
    const lines = (await output()).trimEnd().split('\n');
    expect(lines).toHaveLength(20_001);
    expect([lines[0], lines[1], lines.at(-1)]).toEqual(['first run', 'line 1', 'line 20000']);
    expect(result.lastLines).toEqual(Array.from({ length: 10 }, (_, i) => `line ${19_991 + i}`));
    expect((await run(['echo', 'short'])).lastLines).toEqual(['short']);
  });

  test('a line without an end is cut in the result, not in the file', async () => {
    const result = await run(node('process.stdout.write("x".repeat(3000000))'));
    expect(result.lastLines).toEqual(['x'.repeat(500)]);
    expect(await output()).toHaveLength(3_000_000);
  });

  test('a missing program is told', async () => {
    const result = await run(['no-such-program', 'x']);
    expect(result).toMatchObject({ ok: false, code: null, signal: null, timedOut: false, lastLines: [] });
    expect(result.message).toContain('hook `no-such-program x` could not be run: There is no program "no-such-program" (ENOENT)');
  });

  test('a missing folder is told, and not taken for a missing program', async () => {
    const cwd = join(folder, 'gone');
    expect(await run(['true'], { cwd })).toMatchObject({
      ok: false,
      message: expect.stringContaining(`could not be run: The folder to run in is missing: ${cwd}.`),
    });
  });

  test('a log that cannot be opened is told, and nothing is run', async () => {
    await mkdir(options.log, { recursive: true });
    const result = await run(['touch', 'ran']);
    expect(result).toMatchObject({
      ok: false,
      message: expect.stringContaining(`Its log cannot be opened: ${options.log} (EISDIR)`),
    });
    await expect(readFile(join(folder, 'ran'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('an environment that no process can have is told, without its values', async () => {
    const result = await run(['true'], { env: { ...options.env, TOKEN: 'secret\0value' } });
    expect(result.ok).toBe(false);
    expect(result.message).toContain('"true" cannot be started');
    expect(result.message).not.toContain('secret');
  });

  test('at the limit it is ended', async () => {
    const result = await run(['sleep', '600'], { timeout: 100 });
    expect(result).toMatchObject({ ok: false, code: null, signal: 'SIGTERM', timedOut: true });
    expect(result.ms).toBeGreaterThanOrEqual(99);
    expect(result.message).toMatch(
      /had not ended after 100ms, and was ended with all its processes; expected exit code 0 within 100ms$/,
    );
    expect(running()).toBe(0);
  });

  test('one that ends well only when it is asked to, at the limit, is no success', async () => {
    const clock = new FakeClock();
    const ending = run(
      node(`process.on('SIGTERM', () => { console.log('bye'); process.exit(0) }); setInterval(() => {}, 1e6); console.log('up')`),
      { clock },
    );
    await eventually('it is ready', async () => (await output().catch(() => '')).includes('up'));
    clock.advance(19_999);
    expect(clock.sleeping).toEqual([20_000]);
    clock.advance(1);
    expect(await ending).toMatchObject({
      ok: false,
      code: 0,
      signal: null,
      timedOut: true,
      ms: 20_000,
      lastLines: ['up', 'bye'],
    });
  });

  test('at the limit its whole tree ends, by SIGKILL 2 s later where SIGTERM does not help', async () => {
    const clock = new FakeClock();
    const ending = run(fixture.tree, { clock });
    await eventually('both children are ready', async () => (await output().catch(() => '')).split('up').length === 3);
    expect(running()).toBe(3);
    const begin = performance.now();
    clock.advance(20_000);
    expect(await ending).toMatchObject({ ok: false, timedOut: true, signal: 'SIGTERM' });
    expect(running()).toBe(0);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(2000);
    expect(performance.now() - begin).toBeLessThan(7000);
  });

  test('an abort ends the whole tree at once', async () => {
    const abort = new AbortController();
    const ending = run(fixture.withBareChild(50), { signal: abort.signal });
    await eventually('both run', () => running() === 2);
    await eventually('the child is ready', async () => (await output()).includes('child'));
    abort.abort();
    const result = await ending;
    expect(running()).toBe(0);
    expect(result).toMatchObject({ ok: false, timedOut: false, signal: 'SIGTERM' });
    expect(result.message).toMatch(/` was aborted, and was ended with all its processes; expected/);
    expect(result.lastLines.at(-1)).toBe('child done');
  });

  test('aborted before, it is never run', async () => {
    const result = await run(['touch', 'ran'], { signal: AbortSignal.abort() });
    expect(result).toMatchObject({ ok: false, code: null, message: 'beforeSwitch hook `touch ran` was not run: aborted before' });
    await expect(readFile(join(folder, 'ran'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a background process that holds its output is neither waited for nor ended', async () => {
    const result = await run(['sh', '-c', 'sleep 600 & echo done']);
    expect(result).toMatchObject({ ok: true, code: 0, lastLines: ['done'] });
    expect(result.ms).toBeLessThan(5000);
    expect(running()).toBe(1);
  });
});
