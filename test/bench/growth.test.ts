import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call } from '../support/http.ts';
import { temporaryFolder } from '../support/processes.ts';
import type { Turnout } from '../support/turnout.ts';
import { type Contender, MEASURED, OTHERS } from './contenders.ts';
import { assertQuiet, cpuTime, family, memory, pin } from './cpu.ts';
import {
  CONNECTIONS,
  deploy,
  hostOf,
  median,
  middle,
  type Parts,
  partsOf,
  SETTLED,
  serviceName,
  withTurnout,
} from './many-services.ts';
import { findPeers, type Peers } from './peers.ts';
import { keep } from './results.ts';
import { writeBackend } from './servers.ts';
import { quantile, type Spread, spread } from './statistics.ts';
import { measure } from './wrk.ts';

const SERVICES = numbers(process.env.TURNOUT_BENCH_SERVICES ?? '1 10 50 200');
const REPLICAS = numbers(process.env.TURNOUT_BENCH_REPLICAS ?? '1 2 4 8');
/** Seconds in which nothing happens. */
const IDLE = Number(process.env.TURNOUT_BENCH_IDLE ?? 60);
const ROUNDS = Number(process.env.TURNOUT_BENCH_ROUNDS ?? 5);
const SECONDS = 2;
const FLIPS = 200;
/** Milliseconds between two flips, so that they meet the sidecar's own calls, the rarest of which come every few seconds. */
const BETWEEN_FLIPS = 25;
/** Milliseconds: each in a bucket of its own. */
const DURATIONS = [0, 8, 15, 30, 60, 120];

export interface Growth {
  idleSeconds: number;
  services: OfServices[];
  replicas: OfReplicas[];
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

interface OfReplicas {
  replicas: number;
  startMs: number;
  cpu: Spread;
}

const growth: Growth = { idleSeconds: IDLE, services: [], replicas: [] };
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
  const whole = growth.services.length === SERVICES.length && growth.replicas.length === REPLICAS.length;
  if (whole) keep('growth', growth);
});

test.each(SERVICES)('%d services with two colors of two slots', async (services) => {
  const found = await measureServices(services);
  console.log(JSON.stringify(found));
  growth.services.push(found);
});

test.each(REPLICAS)('%d replicas of one service', async (replicas) => {
  const found = await withTurnout({ folder, services: 1, replicas }, async (turnout, startMs) => {
    pinAll(turnout);
    return { replicas, startMs, cpu: await cpuOfRequest(turnout, serviceName(1)) };
  });
  console.log(JSON.stringify(found));
  growth.replicas.push(found);
});

function numbers(text: string): number[] {
  return text.split(' ').filter(Boolean).map(Number);
}

async function measureServices(services: number): Promise<OfServices> {
  return withTurnout({ folder, services, replicas: 2 }, async (turnout, startMs) => {
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
