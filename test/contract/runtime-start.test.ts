import { once } from 'node:events';
import { access, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { TurnoutError } from '../../sidecar/errors.ts';
import type { ReplicaSpec } from '../../sidecar/runtime/runtime.ts';
import { eventually, fixture, freePort, isRunning, runOtherSidecar } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

describe('ProcessRuntime, starting', () => {
  let bench: ProcessBench;

  beforeEach(async () => {
    bench = await ProcessBench.make();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function refusal(over: Partial<ReplicaSpec>): Promise<TurnoutError> {
    const spec = await bench.spec(over);
    const error = await bench.runtime.start(spec).then(
      () => expect.fail('the start was not refused'),
      (reason: TurnoutError) => reason,
    );
    expect(error.code).toBe('runtime-unusable');
    expect(bench.living()).toEqual([]);
    expect(await bench.runtime.list()).toEqual([]);
    await expect(access(bench.recordPath(spec))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(join(bench.state, 'logs', spec.service)).catch(() => [])).toEqual([]);
    return error;
  }

  test('a busy address is refused by name, and the command is never run', async () => {
    const port = await freePort();
    const stranger = createServer().listen(port, '127.0.0.1');
    await once(stranger, 'listening');
    try {
      const marker = join(bench.state, 'ran');
      const { message } = await refusal({ address: `127.0.0.1:${port}`, command: ['touch', marker] });
      expect(message).toContain(`127.0.0.1:${port}`);
      expect(message).toContain('another process');
      await expect(access(marker)).rejects.toThrow();
    } finally {
      stranger.close();
    }
  });

  test('a missing program is refused by the name it was given', async () => {
    const { message, hint } = await refusal({ command: ['no-such-program', '--x'] });
    expect(message).toContain('"no-such-program"');
    expect(hint).toContain('PATH');
  });

  test('a program that may not be executed is refused, with what to do', async () => {
    const program = join(bench.state, 'script');
    await writeFile(program, '#!/bin/sh\n', { mode: 0o644 });
    const { message, hint } = await refusal({ command: [program] });
    expect(message).toContain(program);
    expect(hint).toContain('chmod +x');
  });

  test('a missing folder is refused as such, not as a missing program', async () => {
    const cwd = join(bench.state, 'releases', 'v9');
    const { message } = await refusal({ cwd });
    expect(message).toContain(cwd);
    expect(message).not.toContain('program');
  });

  test("a file in the folder's place is refused", async () => {
    const cwd = join(bench.state, 'file');
    await writeFile(cwd, '');
    expect((await refusal({ cwd })).message).toContain(cwd);
  });

  test('a secret never shows in a refusal', async () => {
    const error = await refusal({ env: { PASSWORD: 'swordfish\0' } });
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain('swordfish');
  });

  test('a replica whose record cannot be written is ended, and the error says why', async () => {
    await writeFile(join(bench.state, 'replicas'), 'a file where the folder should be');
    const error = await bench.runtime.start(await bench.spec()).catch((reason: TurnoutError) => reason);
    expect(error).toMatchObject({ code: 'runtime-unusable', cause: { code: expect.stringMatching(/EEXIST|ENOTDIR/) } });
    expect(bench.living()).toEqual([]);
  });

  test('the end of a replica is heard of once, even when somebody lists while it is being started', async () => {
    const heard: string[] = [];
    bench.runtime.onExit(({ id }) => heard.push(id));
    let started = false;
    const starting = bench.startReady().finally(() => {
      started = true;
    });
    while (!started) await bench.runtime.list();
    const replica = await starting;
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the end is heard of', () => heard.length > 0);
    await bench.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
    expect(heard).toEqual([replica.id]);
  });

  test('the command runs itself, in its folder, in a session of its own', async () => {
    const cwd = join(bench.state, 'release');
    await mkdir(cwd);
    const replica = await bench.startReady({ command: fixture.printsEnvironment, cwd });
    const pid = await bench.pid(replica);
    expect(bench.living()).toEqual([pid]);
    expect((await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1)).toEqual(fixture.printsEnvironment);
    const [, , group, session] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ').map(Number);
    expect([group, session]).toEqual([pid, pid]);
    expect(await bench.runtime.tail(replica, 10)).toContain(cwd);
  });

  test("it gets the sidecar's environment less TURNOUT_* and npm_*, the service's own, and where it runs", async () => {
    const own = await ProcessBench.make({
      KEPT: 'yes',
      REPLACED: 'no',
      TURNOUT_CONFIG: 'x',
      npm_config_registry: 'x',
      NPM_CONFIG_CACHE: 'x',
      npm_lifecycle_event: 'x',
    });
    try {
      const spec = await own.spec({
        command: fixture.printsEnvironment,
        slot: 2,
        color: 'green',
        release: 'v5',
        env: { REPLACED: 'by the service', PORT: '1', EXTRA: 'a=b' },
      });
      const replica = await own.runtime.start(spec);
      const env = JSON.parse(`{${await own.says(replica, '{')}`) as Record<string, string>;
      expect(env).toMatchObject({
        KEPT: 'yes',
        REPLACED: 'by the service',
        EXTRA: 'a=b',
        PORT: spec.address.split(':')[1],
        TURNOUT_SERVICE: 'backend',
        TURNOUT_COLOR: 'green',
        TURNOUT_RELEASE: 'v5',
        TURNOUT_SLOT: '2',
        TURNOUT_REPLICA: `${own.state}|${replica.id}`,
      });
      expect(Object.keys(env).filter((name) => /^npm_/i.test(name))).toEqual([]);
      expect(env).not.toHaveProperty('TURNOUT_CONFIG');
    } finally {
      await own.close();
    }
  });

  test('record and log are for the owner only, and the record holds no value of the environment', async () => {
    const replica = await bench.startReady({ env: { PASSWORD: 'swordfish' } });
    expect(await readFile(bench.recordPath(replica), 'utf8')).not.toContain('swordfish');
    expect((await stat(bench.recordPath(replica))).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(bench.recordPath(replica)))).mode & 0o777).toBe(0o700);
    expect((await stat(bench.logPath(replica))).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(bench.logPath(replica)))).mode & 0o777).toBe(0o700);
  });

  test('nothing keeps a sidecar alive that has nothing more to do, and its replicas outlive it', async () => {
    const spec = await bench.spec();
    const started = JSON.parse(await runOtherSidecar({ state: bench.state, env: bench.env, starts: [spec] }));
    // A second one, with adopted replicas and a listener.
    const listed = JSON.parse(await runOtherSidecar({ state: bench.state, env: bench.env, starts: [] }));
    expect(listed).toEqual(started);
    expect(isRunning(await bench.pid(listed[0]))).toBe(true);
  });

  test('a start into the slot of a crashed replica ends first what that one has left running', async () => {
    const spec = await bench.spec({ command: fixture.withBareChild(0) });
    const first = await bench.runtime.start(spec);
    const child = Number(await bench.says(first, 'child'));
    process.kill(await bench.pid(first), 'SIGKILL');
    await eventually('the crash is seen', async () => !(await bench.runtime.list())[0]?.alive);
    expect(isRunning(child)).toBe(true);
    await bench.runtime.start({ ...spec, command: fixture.serves });
    expect(isRunning(child)).toBe(false);
  });

  test('the newest ten logs of a slot are kept, those of other slots are left alone', async () => {
    const folder = join(bench.state, 'logs', 'backend');
    await mkdir(folder, { recursive: true });
    for (let n = 1; n <= 12; n += 1) {
      for (const slot of [1, 11]) {
        const path = join(folder, `blue-${slot}-old${n}.log`);
        await writeFile(path, 'x');
        await utimes(path, n, n);
      }
    }
    await bench.startReady();
    const names = await readdir(folder);
    const expected = ['blue-1-d1.log', ...[4, 5, 6, 7, 8, 9, 10, 11, 12].map((n) => `blue-1-old${n}.log`)];
    expect(names.filter((name) => name.startsWith('blue-1-')).sort()).toEqual(expected.sort());
    expect(names.filter((name) => name.startsWith('blue-11-'))).toHaveLength(12);
  });

  test('a tail reads the last 64 KiB and begins with a whole line', async () => {
    const lines = Array.from({ length: 5000 }, (_, n) => `line ${n} of a log that is longer than one wants to read`);
    const path = join(bench.state, 'lines');
    await writeFile(path, `${lines.join('\n')}\n`);
    const replica = await bench.runtime.start(await bench.spec({ command: ['cat', path] }));
    const tail = await eventually('all is written', async () => {
      const read = await bench.runtime.tail(replica, 5000);
      return read.at(-1) === lines.at(-1) ? read : null;
    });
    expect(tail).toEqual(lines.slice(-tail.length));
    expect(tail.join('\n').length).toBeGreaterThan(60_000);
    expect(tail.join('\n').length).toBeLessThanOrEqual(64 * 1024);
  });
});
