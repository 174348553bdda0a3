import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type Load, startLoad } from '../support/load.ts';
import { actionsStages, jenkinsStages, type Stage, shell, turnoutCommand } from '../support/pipeline.ts';
import { eventually } from '../support/processes.ts';
import { BACKEND, ROOT, Turnout } from '../support/turnout.ts';

let turnout: Turnout;
let load: Load | undefined;

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await turnout?.destroy();
});

/** Releases whose name begins with `sick` never get healthy; those with `bad` fail a part of their requests. */
const NATURES =
  'case "$TURNOUT_RELEASE" in sick*) export FAULT_UNHEALTHY_AFTER_S=0 ;; bad*) export FAULT_ERROR_SHARE=30% ;; esac; exec node "$BACKEND"';

async function start(): Promise<void> {
  turnout = await Turnout.start({
    service: {
      command: ['sh', '-c', NATURES],
      env: { BACKEND },
      health: { path: '/health', interval: '100ms', retries: 20 },
      bake: { for: '4s' },
      smoke: [{ get: '/' }],
    },
  });
  await turnoutCommand(turnout.folder);
  load = startLoad({ origin: turnout.origin, connections: 4, mix: { get: 1 } });
}

function environment(release: string): Record<string, string> {
  const TURNOUT_API = `http://127.0.0.1:${turnout.apiPort}`;
  return { TURNOUT_API, TURNOUT_TOKEN: turnout.token(), SERVICE: 'backend', REGISTRY: 'registry.example', RELEASE: release };
}

/** All stages but the build, which processes do not need, until one fails; the exit code of each. */
async function run(stages: Stage[], release: string): Promise<[string, number][]> {
  const codes: [string, number][] = [];
  for (const { name, script } of stages.filter((stage) => stage.name !== 'Build and push')) {
    const { code, output } = await shell(script, { folder: turnout.folder, env: environment(release) });
    codes.push([name, code]);
    if (code !== 0) {
      if (code > 12) throw new Error(`${name}: ${output}`);
      break;
    }
  }
  return codes;
}

describe.each([
  ['Jenkins', jenkinsStages],
  ['GitHub Actions', actionsStages],
])('the pipeline for %s', (_name, stagesOf) => {
  test('a good release goes through, one that never gets healthy ends with 4, one that goes bad with 5', {
    timeout: 120_000,
  }, async () => {
    const stages = await stagesOf();
    expect(stages.map(({ name }) => name)).toEqual([
      'Build and push',
      'Find the live color',
      'Deploy the other, health checks',
      'Switch, clean up',
      'Monitor',
    ]);
    await start();
    const names = stages.slice(1).map(({ name }) => name);
    expect(await run(stages, 'v2')).toEqual(names.map((name) => [name, 0]));
    const before = JSON.parse(await readFile(join(turnout.folder, 'before.json'), 'utf8'));
    expect(before).toMatchObject({ name: 'backend', active: 'blue' });
    const receipt = JSON.parse(await readFile(join(turnout.folder, 'receipt.json'), 'utf8'));
    expect(receipt).toMatchObject({ release: 'v2', phase: 'live', receipt: { failed: 0 } });
    expect((await turnout.view()).colors.green.release).toBe('v2');

    expect(await run(stages, 'sick1')).toEqual([
      [names[0], 0],
      [names[1], 4],
    ]);
    expect(await run(stages, 'bad1')).toEqual([
      [names[0], 0],
      [names[1], 0],
      [names[2], 5],
    ]);
    const convicted = JSON.parse(await readFile(join(turnout.folder, 'receipt.json'), 'utf8'));
    expect(convicted).toMatchObject({ release: 'bad1', phase: 'rolled-back', reason: 'error-rate' });
    expect((await turnout.view()).colors.green).toMatchObject({ release: 'v2', ready: true });
  });
});

describe('plain curl', () => {
  const SCRIPT = join(ROOT, 'examples/curl/deploy.sh');
  const FOLLOW = join(ROOT, 'examples/curl/follow.sh');

  function deploy(release: string, more: Record<string, string> = {}): Promise<{ code: number; output: string }> {
    return shell(`exec '${SCRIPT}' backend ${release}`, { folder: turnout.folder, env: { ...environment(release), ...more } });
  }

  function follow(id: string): Promise<{ code: number; output: string }> {
    return shell(`exec '${FOLLOW}' ${id}`, { folder: turnout.folder, env: environment('') });
  }

  test('ends as `turnout deploy` does: 0, 4, 5, 7 and 8', { timeout: 120_000 }, async () => {
    await start();
    const good = await deploy('v2');
    expect(good.code, good.output).toBe(0);
    expect(good.output).toMatch(/^deployment \w+ of v2 to green$/m);
    expect(good.output).toMatch(/^baking: /m);
    const [, id] = /^deployment (\w+) /m.exec(good.output) ?? [];
    const told = await follow(id as string);
    expect([told.code, told.output]).toEqual([
      0,
      expect.stringMatching(/^gating: .*\nwarming: .*\nswitching: .*\nbaking: .*\nlive: /),
    ]);
    expect(JSON.parse(await readFile(join(turnout.folder, 'receipt.json'), 'utf8'))).toMatchObject({
      phase: 'live',
      receipt: { failed: 0 },
    });
    const sick = await deploy('sick1');
    expect([sick.code, sick.output]).toEqual([4, expect.stringContaining('failed: not healthy within')]);
    const bad = await deploy('bad1');
    expect([bad.code, bad.output]).toEqual([5, expect.stringMatching(/^rolled-back: \d+ of \d+ requests failed/m)]);

    const [lost, sickOne] = await turnout.deployments();
    expect([(await follow(lost?.id as string)).code, (await follow(sickOne?.id as string)).code]).toEqual([5, 4]);

    const other = deploy('v3');
    await eventually('v3 is under way', async () => (await turnout.view()).deployment?.release === 'v3');
    const busy = await deploy('v4');
    expect([busy.code, busy.output]).toEqual([7, expect.stringContaining('"code":"busy"')]);
    expect((await other).code).toBe(0);

    const refused = await deploy('v5', { TURNOUT_TOKEN: 'wrong' });
    expect([refused.code, refused.output]).toEqual([8, expect.stringContaining('unauthorized')]);
    await turnout.endSidecar('SIGKILL');
    expect((await deploy('v5')).code).toBe(8);
  });

  test('goes on waiting over a restart of the sidecar, and never shows the token to `ps`', { timeout: 60_000 }, async () => {
    await start();
    const seen: string[] = [];
    const watching = spawn('sh', ['-c', 'while :; do ps -eo args; sleep 0.05; done']);
    watching.stdout.on('data', (text: Buffer) => seen.push(text.toString()));
    try {
      const deploying = deploy('v2');
      await eventually('v2 bakes', async () => (await turnout.view()).deployment?.phase === 'baking');
      const id = (await turnout.view()).deployment?.id as string;
      const following = follow(id);
      await eventually('it follows', async () =>
        (await shell('ps -eo args', { folder: turnout.folder, env: {} })).output.includes(`deployment=${id}`),
      );
      await turnout.endSidecar('SIGKILL');
      await turnout.up();
      const { code, output } = await deploying;
      expect(code, output).toBe(0);
      expect(await following).toMatchObject({ code: 0, output: expect.stringMatching(/\nlive: /) });
    } finally {
      watching.kill('SIGKILL');
    }
    expect(seen.join('')).toContain('curl ');
    expect(seen.join('')).not.toContain(turnout.token());
  });
});
