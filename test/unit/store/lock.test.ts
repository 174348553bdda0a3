import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lockState } from '../../../sidecar/store/lock.ts';
import { bundled } from '../../support/builders-bundle.ts';
import { eventually, temporaryFolder } from '../../support/processes.ts';
import { folderWith } from '../config/temp.ts';

/** Waits until it is told to go, tries for the lock, says what came of it, and keeps what it has until it is ended. */
const CONTENDER = `
  import { lockState } from './sidecar/store/lock.ts';
  console.log('up');
  process.stdin.on('end', () => process.exit()).once('data', async () => {
    console.log(await lockState(process.argv[2]).then(() => 'owner', (error) => error.code + ' ' + error.message));
  });
`;

let program: string;
let state: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  program = await bundled(await temporaryFolder(), CONTENDER);
});
beforeEach(async () => {
  state = await folderWith({});
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
});

interface Contender {
  child: ChildProcess;
  said: () => string[];
}

async function contender(through: string[] = []): Promise<Contender> {
  const [command = '', ...words] = [...through, process.execPath, program, state];
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  child.stdout!.on('data', (text: Buffer) => {
    output += text;
  });
  const said = () => output.split('\n').filter((line) => line !== '');
  await eventually('the contender is up', () => said()[0] === 'up');
  return { child, said };
}

async function outcomeOf({ child, said }: Contender): Promise<string> {
  child.stdin!.write('go\n');
  return eventually('the contender knows', () => said()[1]);
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve) && child.kill('SIGKILL'));
}

/** The lock of a process that is gone. */
async function leaveDeadLock(): Promise<string> {
  const owner = await contender();
  expect(await outcomeOf(owner)).toBe('owner');
  await kill(owner.child);
  return readFileSync(join(state, 'lock'), 'utf8');
}

test('a second sidecar is refused with the pid of the first', async () => {
  const owner = await contender();
  expect(await outcomeOf(owner)).toBe('owner');
  await expect(lockState(state)).rejects.toMatchObject({
    code: 'state-locked',
    message: expect.stringContaining(`${state} belongs to the sidecar with pid ${owner.child.pid}`),
  });
  // Of the one that was refused nothing is left.
  expect(readdirSync(state).sort()).toEqual(['lock', expect.stringMatching(/^owner-\w+\.sock$/)]);
});

test('the same process is refused as well', async () => {
  const release = await lockState(state);
  await expect(lockState(state)).rejects.toMatchObject({ code: 'state-locked' });
  await release();
});

test('the lock is free again after its release', async () => {
  await (await lockState(state))();
  expect(readdirSync(state)).toEqual([]);
  await (await lockState(state))();
});

test('the lock of a killed owner is taken over', async () => {
  await leaveDeadLock();
  const release = await lockState(state);
  expect(JSON.parse(readFileSync(join(state, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  await release();
  expect(readdirSync(state)).toEqual([]);
});

test('a lock whose pid now belongs to another process is taken over', async () => {
  const text = await leaveDeadLock();
  writeFileSync(join(state, 'lock'), JSON.stringify({ ...JSON.parse(text), pid: process.pid }));
  await (await lockState(state))();
});

test('a lock from before the last boot is taken over', async () => {
  const release = await lockState(state);
  const owner = JSON.parse(readFileSync(join(state, 'lock'), 'utf8'));
  writeFileSync(join(state, 'lock'), JSON.stringify({ ...owner, bootId: 'another' }));
  await release();
  await (await lockState(state))();
});

test.each(['', '{"pid":', 'garbage'])('a lock that holds %j belongs to nobody', async (text) => {
  writeFileSync(join(state, 'lock'), text);
  await (await lockState(state))();
});

test('a release does not take away the lock of another', async () => {
  const release = await lockState(state);
  writeFileSync(join(state, 'lock'), 'of another');
  await release();
  expect(readFileSync(join(state, 'lock'), 'utf8')).toBe('of another');
});

test('of many that race for a free lock exactly one gets it, and the others name it', async () => {
  const racers = await Promise.all([1, 2, 3, 4].map(() => contender()));
  const outcomes = await Promise.all(racers.map(outcomeOf));
  const winner = racers[outcomes.indexOf('owner')]!;
  expect(outcomes.filter((word) => word === 'owner')).toHaveLength(1);
  const losers = outcomes.filter((word) =>
    word.startsWith(`state-locked ${state} belongs to the sidecar with pid ${winner.child.pid}`),
  );
  expect(losers).toHaveLength(3);
});

test('of many that race for a dead lock exactly one gets it, time after time', async () => {
  for (let round = 0; round < 2; round++) {
    await leaveDeadLock();
    const racers = await Promise.all([1, 2, 3, 4].map(() => contender()));
    const outcomes = await Promise.all(racers.map(outcomeOf));
    expect(outcomes.filter((word) => word === 'owner')).toHaveLength(1);
    await Promise.all(children.splice(0).map(kill));
  }
});

/** As in a container of its own, where every pid is another one. */
const ELSEWHERE = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

describe.skipIf(process.getuid?.() !== 0)('of another container', () => {
  test('a living owner is seen, although its pid is nobody here', async () => {
    const owner = await contender(ELSEWHERE);
    expect(await outcomeOf(owner)).toBe('owner');
    await expect(lockState(state)).rejects.toMatchObject({ code: 'state-locked' });
    expect((await outcomeOf(await contender(ELSEWHERE))).split(' ')[0]).toBe('state-locked');
  });

  test('a killed owner is not, although its pid is somebody here', async () => {
    const owner = await contender(ELSEWHERE);
    expect(await outcomeOf(owner)).toBe('owner');
    const { pid, namespace } = JSON.parse(readFileSync(join(state, 'lock'), 'utf8'));
    expect([pid, namespace]).toEqual([1, expect.not.stringMatching(readlinkSync('/proc/self/ns/pid'))]);
    await kill(owner.child);
    const release = await eventually('the lock is free', () => lockState(state).catch(() => null));
    await release();
    expect(readdirSync(state)).toEqual([]);
  });
});
