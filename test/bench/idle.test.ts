import { afterEach, expect, test } from 'vitest';
import { Turnout } from '../support/turnout.ts';
import { assertQuiet, cpuTime, family, memory } from './cpu.ts';
import { keep } from './results.ts';
import { spread } from './statistics.ts';

/** Seconds, looked at every ten. */
const SECONDS = Number(process.env.TURNOUT_BENCH_IDLE ?? 600);
const LOOK = 10;
const DEPLOYMENTS = Number(process.env.TURNOUT_BENCH_DEPLOYMENTS ?? 500);
/** Shares of a core, and bytes. */
const CPU = 0.01;
const MEMORY = 100e6;
/** Flat: what comes last is at most this much of what came first. */
const FLAT = 1.1;

export interface Idle {
  seconds: number;
  /** Share of one core that the sidecar needs; the gateway's workers beside it. */
  cpu: { sidecar: number; gateway: number };
  /** Bytes of the sidecar, in the first and the last tenth of the time; of the gateway. */
  memory: { first: number; last: number; gateway: number };
  deployments: {
    count: number;
    /** Bytes of the sidecar after the first fifth of them and after the last. */
    first: number;
    last: number;
    /** Milliseconds from accepted to switched, of the first and of the last fifth. */
    switched: { first: number; last: number };
  };
}

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test(`idle for ${SECONDS} s and over ${DEPLOYMENTS} deployments the sidecar stays small`, async () => {
  await assertQuiet();
  // As users have it: the defaults of everything that goes on by itself.
  turnout = await Turnout.start({ service: { health: '/health' } });
  const sidecar = [turnout.child?.pid as number];
  const gateway = () => family(turnout.masterPid());
  // What start, first release and just-in-time compilation take is not what it needs when idle.
  await seconds(30);
  const idle = await watch(sidecar, gateway);
  const deployments = await deployAgainAndAgain(sidecar);
  keep('idle', { ...idle, deployments });
  expect.soft(idle.cpu.sidecar).toBeLessThanOrEqual(CPU);
  expect.soft(Math.max(idle.memory.first, idle.memory.last, deployments.last)).toBeLessThanOrEqual(MEMORY);
  expect.soft(idle.memory.last / idle.memory.first).toBeLessThanOrEqual(FLAT);
  expect.soft(deployments.last / deployments.first).toBeLessThanOrEqual(FLAT);
  expect.soft(deployments.switched.last / deployments.switched.first).toBeLessThanOrEqual(FLAT);
});

async function watch(sidecar: number[], gateway: () => number[]): Promise<Omit<Idle, 'deployments'>> {
  const begun = { sidecar: cpuTime(sidecar), gateway: cpuTime(gateway()), at: performance.now() };
  const memories: number[] = [];
  while (performance.now() - begun.at < SECONDS * 1000) {
    await seconds(LOOK);
    memories.push(memory(sidecar));
  }
  const share = (used: number) => used / 1e6 / (performance.now() - begun.at);
  const tenth = Math.max(1, Math.floor(memories.length / 10));
  return {
    seconds: SECONDS,
    cpu: { sidecar: share(cpuTime(sidecar) - begun.sidecar), gateway: share(cpuTime(gateway()) - begun.gateway) },
    memory: {
      first: spread(memories.slice(0, tenth)).median,
      last: spread(memories.slice(-tenth)).median,
      gateway: memory(gateway()),
    },
  };
}

async function deployAgainAndAgain(sidecar: number[]): Promise<Idle['deployments']> {
  const memories: number[] = [];
  const switched: number[] = [];
  for (let i = 0; i < DEPLOYMENTS; i++) {
    const location = await begin(`r${i}`);
    switched.push(await ended(location));
    memories.push(memory(sidecar));
  }
  const fifth = Math.max(1, Math.floor(DEPLOYMENTS / 5));
  const of = (values: number[]) => spread(values).median;
  return {
    count: DEPLOYMENTS,
    first: of(memories.slice(0, fifth)),
    last: of(memories.slice(-fifth)),
    switched: { first: of(switched.slice(0, fifth)), last: of(switched.slice(-fifth)) },
  };
}

async function begin(release: string): Promise<string> {
  const { status, headers, body } = await turnout.api('POST', '/v1/services/backend/deployments', { release });
  expect(status, body).toBe(202);
  return headers.location as string;
}

/** Waits for its end, which must be `live`; how long it took to switch, in ms. */
async function ended(location: string): Promise<number> {
  for (;;) {
    const deployment = JSON.parse((await turnout.api('GET', location)).body);
    if (deployment.finishedAt !== null) {
      expect(deployment.phase, deployment.message).toBe('live');
      return deployment.receipt.switchedAfterMs;
    }
    await seconds(0.05);
  }
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
