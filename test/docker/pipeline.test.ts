import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Compose } from '../support/compose.ts';
import { type Load, startLoad } from '../support/load.ts';
import { jenkinsStages, shell, turnoutCommand } from '../support/pipeline.ts';
import { eventually } from '../support/processes.ts';
import { Registry, USER } from '../support/registry.ts';

let registry: Registry;
let compose: Compose;
let load: Load | undefined;

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await compose?.destroy();
  await registry?.forget();
  await registry?.stop();
});

/** What the service's repository would have: each release is the example, some with a fault. */
async function writeDockerfile(fault = ''): Promise<void> {
  await writeFile(join(compose.folder, 'work/Dockerfile'), `FROM turnout-example:v1\n${fault}\n`);
}

async function environment(release: string): Promise<Record<string, string>> {
  return {
    TURNOUT_API: `http://127.0.0.1:${compose.apiPort}`,
    TURNOUT_TOKEN: await compose.token(),
    SERVICE: 'backend',
    REGISTRY: registry.host,
    REGISTRY_LOGIN_USR: USER.username,
    REGISTRY_LOGIN_PSW: USER.password,
    RELEASE: release,
    // What `docker login` writes must not stay on this machine.
    DOCKER_CONFIG: join(compose.folder, 'work/.docker'),
  };
}

/** All stages until one fails; the exit code of each. */
async function run(release: string): Promise<number[]> {
  const codes: number[] = [];
  for (const { name, script } of await jenkinsStages()) {
    const { code, output } = await shell(script, { folder: join(compose.folder, 'work'), env: await environment(release) });
    codes.push(code);
    if (code > 12) throw new Error(`${name}: ${output}`);
    if (code !== 0) break;
  }
  return codes;
}

test('the pipeline builds, pushes and deploys containers: 0 for a good release, 4 and 5 for bad ones', {
  timeout: 240_000,
}, async () => {
  registry = await Registry.start();
  compose = await Compose.create({
    service: {
      image: `${registry.host}/backend:{release}`,
      pull: 'missing',
      health: { path: '/health', retries: 3 },
      bake: { for: '5s' },
      smoke: [{ get: '/' }],
    },
    docker: {
      registryAuth: { [registry.host]: { username: USER.username, passwordFile: 'registry.password' } },
      prune: '* * * * *',
    },
    files: { 'registry.password': `${USER.password}\n` },
  });
  await mkdir(join(compose.folder, 'work'));
  await turnoutCommand(join(compose.folder, 'work'));
  // The first release has to be there before anything runs.
  await writeDockerfile();
  const [build] = await jenkinsStages();
  const env = {
    REGISTRY: registry.host,
    SERVICE: 'backend',
    RELEASE: 'v1',
    REGISTRY_LOGIN_USR: USER.username,
    REGISTRY_LOGIN_PSW: USER.password,
  };
  const first = await shell(build?.script ?? '', {
    folder: join(compose.folder, 'work'),
    env: { ...env, DOCKER_CONFIG: join(compose.folder, 'work/.docker') },
  });
  expect(first.code, first.output).toBe(0);
  await registry.forget();
  await compose.up();
  await compose.untilLive();
  load = startLoad({ origin: compose.origin, connections: 4, mix: { get: 1 } });

  expect(await run('v2'), await compose.diagnosis()).toEqual([0, 0, 0, 0, 0]);
  const receipt = JSON.parse(await readFile(join(compose.folder, 'work/receipt.json'), 'utf8'));
  expect(receipt).toMatchObject({ release: 'v2', phase: 'live', receipt: { failed: 0 } });
  expect(receipt.digest).toMatch(new RegExp(`^${registry.host}/backend@sha256:[0-9a-f]{64}$`));

  await writeDockerfile('ENV FAULT_UNHEALTHY_AFTER_S=0');
  expect(await run('sick')).toEqual([0, 0, 4]);
  await writeDockerfile('ENV FAULT_ERROR_SHARE=30%');
  expect(await run('bad')).toEqual([0, 0, 0, 5]);
  expect(JSON.parse(await readFile(join(compose.folder, 'work/receipt.json'), 'utf8'))).toMatchObject({
    release: 'bad',
    phase: 'rolled-back',
    reason: 'error-rate',
  });
  expect((await compose.view()).colors.green).toMatchObject({ release: 'v2', ready: true });

  // Every minute here: what nothing needs goes; what runs, what a rollback needs, and the last one stay.
  const here = async (release: string) =>
    (await compose.docker('image', 'inspect', `${registry.host}/backend:${release}`)).code === 0;
  await eventually('the image of the sick release is gone', async () => !(await here('sick')), 70_000);
  expect([await here('v1'), await here('v2'), await here('bad')]).toEqual([true, true, true]);
});
