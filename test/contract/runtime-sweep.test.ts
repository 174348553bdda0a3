import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Replica, ReplicaSpec } from '../../sidecar/runtime/runtime.ts';
import { bystander, eventually, fixture, isRunning, killLeftovers, processesOf, runOtherSidecar } from '../support/processes.ts';
import { ProcessBench } from './runtime-bench.ts';

const IDLE: [string, ...string[]] = ['sleep', '600'];

describe('ProcessRuntime, sweeping', () => {
  let bench: ProcessBench;
  /** Of processes that no replica has started. */
  let token: string;

  beforeEach(async () => {
    bench = await ProcessBench.make();
    token = randomUUID();
  });

  afterEach(async () => {
    killLeftovers(token);
    await bench.close();
  });

  async function stray(mark: string, more: Record<string, string> = {}, command = IDLE): Promise<number> {
    const { pid } = bystander(command, token, { TURNOUT_REPLICA: mark, ...more });
    // Until exec its environment is ours.
    await eventually('it carries its mark', async () => (await readFile(`/proc/${pid}/environ`, 'utf8')).includes(mark));
    return pid!;
  }

  async function startEarlier(over: Partial<ReplicaSpec> = {}): Promise<Replica> {
    const starts = [await bench.spec(over)];
    const [replica] = JSON.parse(await runOtherSidecar({ state: bench.state, env: bench.env, starts })) as [Replica];
    await eventually('the replica is up', async () => (await bench.newRuntime().tail(replica, 100)).includes('ready'));
    return replica;
  }

  test('what carries the mark of no replica is ended and named', async () => {
    await bench.runtime.list();
    const pids = [await stray(`${bench.state}|lost`), await stray(`${bench.state}|lost`), await stray(`${bench.state}|other`)];
    expect(await bench.runtime.sweep()).toEqual(pids.sort((a, b) => a - b).map((pid) => `pid ${pid}`));
    expect(pids.filter(isRunning)).toEqual([]);
    expect(await bench.runtime.sweep()).toEqual([]);
  });

  test('it gets SIGTERM, and SIGKILL after 2 s', async () => {
    await bench.runtime.list();
    const soft = `process.on('SIGTERM', () => { console.log('asked'); process.exit(); }); setInterval(() => {}, 1e6); console.log('up')`;
    const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6); console.log('up')`;
    const children = [soft, deaf].map((code) =>
      bystander([process.execPath, '-e', code], token, { TURNOUT_REPLICA: `${bench.state}|lost` }),
    );
    const said = children.map((child) => {
      let text = '';
      child.stdout!.on('data', (data) => {
        text += data;
      });
      return () => text;
    });
    await eventually('both are up', () => said.every((text) => text() === 'up\n'));
    const begin = performance.now();
    expect(await bench.runtime.sweep()).toHaveLength(2);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(2000);
    expect(performance.now() - begin).toBeLessThan(6000);
    await eventually('the first was asked', () => said[0]!() === 'up\nasked\n');
    expect(children.filter(({ pid }) => isRunning(pid!))).toEqual([]);
  });

  test('a replica whose sidecar died before recording it is adopted, not ended', async () => {
    const replica = await startEarlier();
    await rm(bench.recordPath(replica));
    expect(await bench.runtime.sweep()).toEqual([]);
    expect(await bench.runtime.list()).toEqual([replica]);
  });

  test('a replica that runs keeps running when its record is lost or torn later', async () => {
    const adopted = await startEarlier();
    const own = await bench.startReady({ slot: 2 });
    await writeFile(bench.recordPath(adopted), '{"torn');
    await rm(bench.recordPath(own));
    expect(await bench.runtime.sweep()).toEqual([]);
  });

  test('what a crashed replica has left running belongs to it until it is stopped', async () => {
    const replica = await startEarlier({ command: fixture.tree });
    await eventually('all three are up', async () => (await bench.newRuntime().tail(replica, 9)).length === 3);
    await bench.runtime.list();
    process.kill(await bench.pid(replica), 'SIGKILL');
    await eventually('the leader is dead', () => bench.living().length === 2);
    expect(await bench.runtime.sweep()).toEqual([]);
    expect(bench.living()).toHaveLength(2);
  });

  test('nothing is touched that is of another state folder, another user, another container, or a hook', async () => {
    await bench.runtime.list();
    const mark = `${bench.state}|lost`;
    const spared = [
      await stray(`${bench.state}-2|lost`),
      await stray(`${bench.state}|2|lost`),
      await stray(`${bench.state}/2|lost`),
      await stray(bench.state),
      await stray(mark, { TURNOUT_HOOK: '1' }),
    ];
    // Whoever is not root can neither make these nor, for the most part, look into their environment.
    if (process.getuid?.() === 0) {
      const inside = ['env', `TURNOUT_REPLICA=${mark}`, ...IDLE];
      bystander(['unshare', '--fork', '--pid', ...inside], token);
      const isSleeping = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' && !spared.includes(pid);
      spared.push(await eventually('the container is up', () => processesOf(token).find(isSleeping)));
      spared.push(await stray(mark, {}, ['setpriv', '--euid=65534', ...IDLE]));
      spared.push(await stray(mark, {}, ['setpriv', '--ruid=65534', ...IDLE]));
      await eventually('they have changed their user', async () => {
        const texts = await Promise.all(spared.slice(-2).map((pid) => readFile(`/proc/${pid}/status`, 'utf8')));
        return texts.every((text) => /^Uid:.*65534/m.test(text));
      });
    }
    expect(await bench.runtime.sweep()).toEqual([]);
    expect(spared.filter((pid) => !isRunning(pid))).toEqual([]);
  });

  test('a sidecar that was itself started from within a replica ends neither itself nor its parents', async () => {
    const mark = `${bench.state}|lost`;
    const parent = await stray(mark);
    const other = await stray(`${bench.state}|other`);
    const answer = await runOtherSidecar(
      { state: bench.state, env: bench.env, starts: [], sweeps: true },
      { TURNOUT_REPLICA: mark },
    );
    expect(JSON.parse(answer)).toEqual([`pid ${other}`]);
    expect(isRunning(parent)).toBe(true);
  });

  test('sweeping without pause while replicas start and stop ends none of them', async () => {
    let done = false;
    const swept: string[] = [];
    const sweeping = (async () => {
      while (!done) {
        swept.push(...(await bench.runtime.sweep()));
        await setImmediate();
      }
    })();
    try {
      await Promise.all(
        [1, 2].map(async (slot) => {
          for (const deployment of ['d1', 'd2']) {
            const replica = await bench.runtime.start(await bench.spec({ slot, deployment }));
            expect((await bench.runtime.list()).find(({ id }) => id === replica.id)).toEqual(replica);
            await bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 10_000 });
          }
        }),
      );
    } finally {
      done = true;
      await sweeping;
    }
    expect(swept).toEqual([]);
  });

  test('what is being stopped gets its own time limit, even without a record', async () => {
    const replica = await startEarlier({ command: fixture.tree });
    await eventually('all three are up', async () => (await bench.newRuntime().tail(replica, 9)).length === 3);
    await bench.runtime.list();
    process.kill(await bench.pid(replica), 'SIGKILL');
    await rm(bench.recordPath(replica));
    await eventually('the leader is dead', () => bench.living().length === 2);
    const stopping = bench.runtime.stop(replica, { signal: 'SIGTERM', timeout: 600 });
    expect(await bench.runtime.sweep()).toEqual([]);
    expect(bench.living()).toHaveLength(2);
    await stopping;
    expect(bench.living()).toEqual([]);
  });
});
