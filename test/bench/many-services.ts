import { expect } from 'vitest';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';
import { family } from './cpu.ts';
import { backendCommand } from './servers.ts';
import { spread } from './statistics.ts';

/** Milliseconds after the start until nothing is left of it. */
export const SETTLED = 3000;
/** Milliseconds. */
const START_LIMIT = 300_000;
/** Of the load on one service. */
export const CONNECTIONS = 64;

export interface Wanted {
  /** Where writeBackend() has put what the replicas are. */
  folder: string;
  services: number;
  /** Of each. */
  replicas: number;
}

/** Without the replicas, which are the user's. */
export interface Parts {
  sidecar: number;
  gateway: number;
}

export function serviceName(number: number): string {
  return `service-${number}`;
}

export function hostOf(service: string): string {
  return `${service}.example`;
}

/** A whole Turnout of so many services, each live, for as long as `work` takes. */
export async function withTurnout<T>(
  { folder, services: count, replicas }: Wanted,
  work: (turnout: Turnout, startMs: number) => Promise<T>,
): Promise<T> {
  const names = Array.from({ length: count }, (_, index) => serviceName(index + 1));
  const turnout = await Turnout.create({
    services: Object.fromEntries(names.map((name) => [name, service(folder, name, replicas, name === middle(count))])),
    slots: count * replicas * 2,
    workers: 1,
  });
  try {
    return await work(turnout, await startTime(turnout, count));
  } catch (error) {
    console.log(turnout.diagnosis().slice(-4000));
    throw error;
  } finally {
    await turnout.destroy();
  }
}

/** Health checks as often as by default. The one that gets the load keeps as many connections as that has. */
function service(folder: string, name: string, replicas: number, loaded: boolean): Record<string, unknown> {
  return {
    command: backendCommand(folder),
    route: { host: hostOf(name) },
    health: '/health',
    replicas,
    maxReplicas: replicas,
    ...(loaded ? { keepalive: { connections: CONNECTIONS } } : {}),
  };
}

export function middle(count: number): string {
  return serviceName(Math.ceil(count / 2));
}

/** Milliseconds from the start of `turnout up` until the first release of each service is live. */
async function startTime(turnout: Turnout, count: number): Promise<number> {
  const begun = performance.now();
  await turnout.up();
  // By its log alone: whoever asks the API makes it slower.
  const ended = (phase: string) => turnout.output.split(`"phase":"${phase}"`).length - 1;
  const allLive = () => {
    if (ended('failed') > 0) throw new Error('a first release has failed');
    return ended('live') >= count;
  };
  await eventually(`${count} services are live`, allLive, START_LIMIT);
  return performance.now() - begun;
}

export function partsOf(turnout: Turnout): { sidecar: number[]; gateway: number[] } {
  return { sidecar: [turnout.child?.pid as number], gateway: family(turnout.masterPid()) };
}

export async function deploy(turnout: Turnout, name: string, release: string): Promise<void> {
  const { code, stderr } = await turnout.cli('deploy', name, '--release', release);
  expect(code, stderr).toBe(0);
}

/** Milliseconds that it takes to be answered. */
export async function median(
  ask: () => Promise<{ status: number; body: string } | { code: number; stderr: string }>,
): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    const answer = await ask();
    times.push(performance.now() - begun);
    if ('status' in answer) expect(answer.status, answer.body.slice(0, 300)).toBe(200);
    else expect(answer.code, answer.stderr).toBe(0);
  }
  return spread(times).median;
}
