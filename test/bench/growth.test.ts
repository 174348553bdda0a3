import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Written } from '../../sidecar/store/journal.ts';
import { call } from '../support/http.ts';
import { eventually, temporaryFolder } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';
import { type Contender, MEASURED, OTHERS } from './contenders.ts';
import { assertQuiet, cpuTime, family, memory, pin } from './cpu.ts';
import { findPeers, type Peers } from './peers.ts';
import { keep } from './results.ts';
import { backendCommand, writeBackend } from './servers.ts';
import { quantile, type Spread, spread } from './statistics.ts';
import { measure } from './wrk.ts';

const SERVICES = numbers(process.env.TURNOUT_BENCH_SERVICES ?? '1 10 50 200');
const REPLICAS = numbers(process.env.TURNOUT_BENCH_REPLICAS ?? '1 2 4 8');
/** Finished ones, in the journal; an even number. */
const DEPLOYMENTS = Number(process.env.TURNOUT_BENCH_DEPLOYMENTS ?? 10_000);
/** Seconds in which nothing happens. */
const IDLE = Number(process.env.TURNOUT_BENCH_IDLE ?? 60);
const ROUNDS = Number(process.env.TURNOUT_BENCH_ROUNDS ?? 5);
const SECONDS = 2;
const FLIPS = 200;
/** Milliseconds between two flips, so that they meet the sidecar's own calls, the rarest of which come every few seconds. */
const BETWEEN_FLIPS = 25;
/** Milliseconds after the start until nothing is left of it. */
const SETTLED = 3000;
/** Milliseconds. */
const START_LIMIT = 300_000;
const CONNECTIONS = 64;
/** Milliseconds: each in a bucket of its own. */
const DURATIONS = [0, 8, 15, 30, 60, 120];
/** How long before the next one each deployment of a made up history was; milliseconds. */
const APART = 10 * 60_000;

export interface Growth {
  idleSeconds: number;
  services: OfServices[];
  replicas: OfReplicas[];
  history: OfHistory[];
}

interface OfServices {
  services: number;
  startMs: number;
  /** Bytes. */
  memory: Parts;
  /** Seconds of CPU in a minute. */
  idle: Parts;
  /** Microseconds a request. */
  cpu: Spread;
  /** Milliseconds. */
  flip: { p50: number; p99: number; max: number };
  metricsMs: number;
}

/** Without the replicas, which are the user's. */
interface Parts {
  sidecar: number;
  gateway: number;
}

interface OfReplicas {
  replicas: number;
  startMs: number;
  cpu: Spread;
}

interface OfHistory {
  deployments: number;
  /** Bytes. */
  journal: number;
  /** Until `turnout is up`. */
  startMs: number;
  memory: number;
  /** Of the whole command. */
  historyMs: number;
  getHistoryMs: number;
  getServiceMs: number;
}

const growth: Growth = { idleSeconds: IDLE, services: [], replicas: [], history: [] };
let peers: Peers;
let folder: string;

beforeAll(async () => {
  peers = await findPeers();
  await assertQuiet();
  folder = await temporaryFolder();
  await writeBackend(folder, { small: true });
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  const whole =
    growth.services.length === SERVICES.length && growth.replicas.length === REPLICAS.length && growth.history.length === 2;
  if (whole) keep('growth', growth);
});

test.each(SERVICES)('%d services with two colors of two slots', async (services) => {
  const found = await measureServices(services);
  console.log(JSON.stringify(found));
  growth.services.push(found);
});

test.each(REPLICAS)('%d replicas of one service', async (replicas) => {
  const found = await withTurnout(1, replicas, async (turnout, startMs) => {
    pinAll(turnout);
    return { replicas, startMs, cpu: await cpuOfRequest(turnout, serviceName(1)) };
  });
  console.log(JSON.stringify(found));
  growth.replicas.push(found);
});

test(`a history of ${DEPLOYMENTS.toLocaleString('en')} deployments`, async () => {
  await withTurnout(1, 1, async (turnout) => {
    // The last two evict what ran in their color, as each of 10,000 does; with the first release it is an even number.
    for (const release of ['v2', 'v3', 'v4', 'v5', 'v6']) await deploy(turnout, serviceName(1), release);
    await turnout.endSidecar('SIGTERM');
    growth.history.push(await measureHistory(turnout));
    await turnout.endSidecar('SIGTERM');
    await lengthen(journalOf(turnout), DEPLOYMENTS);
    growth.history.push(await measureHistory(turnout));
  });
  console.log(JSON.stringify(growth.history));
});

function numbers(text: string): number[] {
  return text.split(' ').filter(Boolean).map(Number);
}

function serviceName(number: number): string {
  return `service-${number}`;
}

function hostOf(service: string): string {
  return `${service}.example`;
}

/** A whole Turnout of so many services, each live, for as long as `work` takes. */
async function withTurnout<T>(count: number, replicas: number, work: (turnout: Turnout, startMs: number) => Promise<T>) {
  const names = Array.from({ length: count }, (_, index) => serviceName(index + 1));
  const turnout = await Turnout.create({
    services: Object.fromEntries(names.map((name) => [name, service(name, replicas, name === middle(count))])),
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
function service(name: string, replicas: number, loaded: boolean): Record<string, unknown> {
  return {
    command: backendCommand(folder),
    route: { host: hostOf(name) },
    health: '/health',
    replicas,
    maxReplicas: replicas,
    ...(loaded ? { keepalive: { connections: CONNECTIONS } } : {}),
  };
}

function middle(count: number): string {
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

async function measureServices(services: number): Promise<OfServices> {
  return withTurnout(services, 2, async (turnout, startMs) => {
    const loaded = middle(services);
    pinAll(turnout);
    await visitAll(turnout, services);
    await sleep(SETTLED);
    const idle = await cpuAtRest(turnout);
    const parts = partsOf(turnout);
    const used = { sidecar: memory(parts.sidecar), gateway: memory(parts.gateway) };
    const metricsMs = await median(() => turnout.api('GET', '/metrics'));
    const cpu = await cpuOfRequest(turnout, loaded);
    await deploy(turnout, loaded, 'v2');
    return { services, startMs, memory: used, idle, cpu, flip: await flipLatency(turnout, loaded), metricsMs };
  });
}

function partsOf(turnout: Turnout): { sidecar: number[]; gateway: number[] } {
  return { sidecar: [turnout.child?.pid as number], gateway: family(turnout.masterPid()) };
}

/** Replicas are the sidecar's children, the gateway is not. */
function pinAll(turnout: Turnout): void {
  pin(OTHERS, family(turnout.child?.pid as number));
  pin(MEASURED, family(turnout.masterPid()));
}

/** Requests of several durations to each service: what a gateway has counted it goes through each time it is asked. */
async function visitAll(turnout: Turnout, services: number): Promise<void> {
  const hosts = Array.from({ length: services }, (_, index) => hostOf(serviceName(index + 1)));
  for (const duration of DURATIONS) await Promise.all(hosts.map((host) => visit(turnout.gatewayPort, host, duration)));
}

/** The client takes so long to send its request. */
async function visit(port: number, host: string, duration: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const answer = once(socket, 'data');
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`);
  await sleep(duration);
  socket.write('\r\n');
  expect(String((await answer)[0])).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
}

async function cpuAtRest(turnout: Turnout): Promise<Parts> {
  const { sidecar, gateway } = partsOf(turnout);
  const before = { sidecar: cpuTime(sidecar), gateway: cpuTime(gateway) };
  const begun = performance.now();
  await sleep(IDLE * 1000);
  const minutes = (performance.now() - begun) / 60_000;
  const perMinute = (pids: number[], from: number) => (cpuTime(pids) - from) / 1e9 / minutes;
  return { sidecar: perMinute(sidecar, before.sidecar), gateway: perMinute(gateway, before.gateway) };
}

async function cpuOfRequest(turnout: Turnout, loaded: string): Promise<Spread> {
  const contender: Contender = {
    name: 'Turnout',
    port: turnout.gatewayPort,
    pids: () => partsOf(turnout).gateway,
    stop: async () => undefined,
  };
  const scenario = { name: loaded, connections: CONNECTIONS, path: '/', headers: { Host: hostOf(loaded) } };
  await measure(peers.wrk, contender, scenario, 1);
  const used: number[] = [];
  for (let round = 0; round < ROUNDS; round++) used.push((await measure(peers.wrk, contender, scenario, SECONDS)).cpu);
  return spread(used);
}

async function deploy(turnout: Turnout, name: string, release: string): Promise<void> {
  const { code, stderr } = await turnout.cli('deploy', name, '--release', release);
  expect(code, stderr).toBe(0);
}

/** There and back on one connection, by the gateway's control API. */
async function flipLatency(turnout: Turnout, name: string): Promise<OfServices['flip']> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let flip = 0; flip < FLIPS; flip++) {
    await sleep(BETWEEN_FLIPS);
    const color = flip % 2 === 0 ? 'blue' : 'green';
    const path = `/v1/routes/${name}/switch/${color}?force=1`;
    const begun = performance.now();
    const { status, body } = await call({ socketPath: turnout.controlSocket, agent, method: 'POST', path });
    times.push(performance.now() - begun);
    expect(status, body).toBe(200);
  }
  agent.destroy();
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: Math.max(...times) };
}

/** Milliseconds that it takes to be answered. */
async function median(ask: () => Promise<{ status: number; body: string } | { code: number; stderr: string }>): Promise<number> {
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

function journalOf(turnout: Turnout): string {
  return join(turnout.state, 'journal.jsonl');
}

/** Starts it on the state folder as it is. */
async function measureHistory(turnout: Turnout): Promise<OfHistory> {
  const name = serviceName(1);
  const begun = performance.now();
  await turnout.up();
  const startMs = performance.now() - begun;
  await sleep(SETTLED);
  const { history } = JSON.parse((await turnout.api('GET', `/v1/services/${name}/history`)).body) as { history: unknown[] };
  return {
    deployments: history.length,
    journal: (await stat(journalOf(turnout))).size,
    startMs,
    memory: memory(partsOf(turnout).sidecar),
    historyMs: await median(() => turnout.cli('history', name, '--json')),
    getHistoryMs: await median(() => turnout.api('GET', `/v1/services/${name}/history`)),
    getServiceMs: await median(() => turnout.api('GET', `/v1/services/${name}`)),
  };
}

/** The sidecar's own lines of its last two deployments, there and back, put in so often before them that it comes to so many. */
async function lengthen(journal: string, deployments: number): Promise<void> {
  const lines = (await readFile(journal, 'utf8')).trimEnd().split('\n');
  const accepted = lines.flatMap((line, index) => (line.includes('"kind":"accepted"') ? [index] : []));
  const pair = accepted.slice(-2).map((index) => (JSON.parse(lines[index] as string) as { deployment: string }).deployment);
  const begin = accepted.at(-2) as number;
  const times = (deployments - accepted.length) / 2;
  const copies = Array.from({ length: times }, (_, copy) => lines.slice(begin).map((line) => renamed(line, pair, `-${copy}`)));
  const all = [lines.slice(0, begin), ...copies, lines.slice(begin)];
  const dated = all.flatMap((some, index) => some.map((line) => shifted(line, (index - all.length + 1) * APART * 2)));
  await writeFile(journal, `${dated.map((line, index) => JSON.stringify({ ...line, seq: index + 1 })).join('\n')}\n`);
}

function renamed(line: string, ids: string[], ending: string): string {
  return ids.reduce((text, id) => text.replaceAll(id, `${id}${ending}`), line);
}

function shifted(line: string, ms: number): Written {
  const written = JSON.parse(line) as Written;
  return { ...written, at: new Date(Date.parse(written.at) + ms).toISOString() };
}
