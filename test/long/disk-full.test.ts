import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { call } from '../support/http.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** A file keeps the room in its last page on a full disk: one valid line, padded, takes it. */
function fillLastPage(journal: string): void {
  const room = 4096 - (statSync(journal).size % 4096);
  const line =
    '{"v":1,"seq":1,"at":"2026-01-01T00:00:00.000Z","kind":"outcome","service":"other","deployment":null,"step":"","ok":true,"detail":""}';
  if (room > line.length) appendFileSync(journal, `${line.padEnd(room - 1)}\n`);
}

/** A state folder on a small disk of its own; null where the machine lets nobody mount one. */
async function onSmallDisk(service: Record<string, unknown>): Promise<{ fill: () => void; free: () => void } | null> {
  turnout = await Turnout.create({ service });
  mkdirSync(turnout.state, { mode: 0o700 });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', turnout.state], { stdio: 'ignore' });
  } catch {
    return null;
  }
  turnout.beforeRemoval = () => void execFileSync('umount', ['-l', turnout.state]);
  await turnout.up();
  await turnout.untilLive();
  const ballast = join(turnout.state, 'ballast');
  return {
    fill: () => {
      for (const size of [1 << 20, 1 << 16, 1 << 12, 1]) {
        try {
          for (let i = 0; ; i++) writeFileSync(`${ballast}-${size}-${i}`, Buffer.alloc(size), { flag: 'wx' });
        } catch {
          // Full for pieces of this size.
        }
      }
      fillLastPage(join(turnout.state, 'journal.jsonl'));
    },
    free: () => execFileSync('sh', ['-c', `rm -f ${ballast}-*`]),
  };
}

test('a full disk: no new deployment (8), readyz is 503, traffic goes on; with room again all is well', async ({ skip }) => {
  const small = await onSmallDisk({ bake: { for: '0s' } });
  if (!small) return skip('nobody may mount a disk here');
  small.fill();
  const refused = await turnout.cli('deploy', '--release', 'v2');
  expect(refused.code, refused.stderr).toBe(8);
  expect(refused.stderr).toContain('journal');
  expect((await turnout.view()).active).toBe('blue');
  expect((await turnout.api('GET', '/readyz')).status).toBe(503);
  expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).status).toBe(200);
  small.free();
  await eventually('ready again', async () => (await turnout.api('GET', '/readyz')).status === 200);
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
});

test('the disk fills during the bake: traffic goes back, and the story is told once there is room', async ({ skip }) => {
  const small = await onSmallDisk({ bake: { for: '60s' } });
  if (!small) return skip('nobody may mount a disk here');
  await turnout.cli('deploy', '--release', 'v2', '--no-wait');
  await eventually('baking', async () => (await turnout.view()).deployment?.phase === 'baking');
  small.fill();
  // Nothing is written during a quiet bake: an abort is.
  void turnout.cli('abort');
  await eventually(`traffic is back\n${turnout.output}`, async () => (await turnout.view()).active === 'blue');
  expect((await turnout.api('GET', '/readyz')).status).toBe(503);
  small.free();
  await eventually('the story is on disk', async () => (await turnout.api('GET', '/readyz')).status === 200);
  const journal = await readFile(join(turnout.state, 'journal.jsonl'), 'utf8');
  expect(journal).toMatch(/"phase":"rolled-back"/);
  await eventually('the route is on disk', async () => {
    const file = JSON.parse(await readFile(join(turnout.state, 'gateway/routes/backend.json'), 'utf8'));
    return file.active === 'blue' && file.persisted === undefined;
  });
});

test('a torn last line of the journal is dropped with a warning, and nothing else', async () => {
  turnout = await Turnout.start();
  const file = join(turnout.state, 'journal.jsonl');
  const before = await readFile(file, 'utf8');
  await turnout.endSidecar('SIGKILL');
  await appendFile(file, '{"v":1,"seq":99,"at":"2026-');
  await turnout.up();
  expect(turnout.output).toContain('torn by a crash and is dropped');
  expect((await readFile(file, 'utf8')).startsWith(before)).toBe(true);
  expect(await readFile(file, 'utf8')).not.toContain('"seq":99');
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
});
