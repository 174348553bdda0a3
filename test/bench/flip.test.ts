import { execFile } from 'node:child_process';
import { Agent } from 'node:http';
import { setPriority } from 'node:os';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type Color, otherColor } from '../../njs/route.ts';
import { call } from '../support/http.ts';
import type { Turnout } from '../support/turnout.ts';
import { type Contender, OTHERS, startTurnout } from './contenders.ts';
import { assertQuiet, family } from './cpu.ts';
import { findPeers } from './peers.ts';
import { keep } from './results.ts';
import { pinned } from './servers.ts';
import { quantile } from './statistics.ts';

const FLIPS = 5000;
const RELOADS = 40;
/** Milliseconds. */
const P99 = 2;
const TIMES_FASTER = 50;
/** Probes sent after each acknowledged flip, each of which must show the new color. */
const PROBES = 5;

export interface Latency {
  p50: number;
  p99: number;
  max: number;
}

export interface Flipped {
  flips: number;
  reloads: number;
  /** One worker whose core is full, and as many workers as there are cores, all full: what `workers: auto` gives. */
  loads: {
    workers: number;
    /** Milliseconds from the call to its acknowledgement, from which on every request goes to the new color. */
    flip: Latency;
    /** Of any request through the gateway meanwhile: what waits in nginx waits for the load's own requests. */
    request: Latency;
    /** Milliseconds from `nginx -s reload` to the first answer of a worker with the new configuration. */
    reload: Latency;
  }[];
  /** Requests sent after an acknowledgement and answered by the old color. */
  stale: number;
}

let turnout: Turnout;
let contender: Contender | undefined;
const loads: Flipped['loads'] = [];
let stale = 0;

afterEach(async () => {
  setPriority(0, 0);
  await contender?.stop();
});

test.each([1, 2])('flips and reloads under full load, workers: %d', async (workers) => {
  const { wrk } = await findPeers();
  await assertQuiet();
  ({ turnout, contender } = await startTurnout({ workers }));
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const load = startLoad(wrk, turnout.gatewayPort);
  // The one who measures must not wait for the load on its core.
  setPriority(0, -20);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const flips: number[] = [];
  const requests: number[] = [];
  for (let i = 0; i < FLIPS; i++) flips.push(await flip(agent, requests));
  const reloads: number[] = [];
  for (let i = 0; i < RELOADS; i++) reloads.push(await reload());
  load.abort();
  loads.push({ workers, flip: latency(flips), request: latency(requests), reload: latency(reloads) });
});

test(`a flip takes at most ${P99} ms at p99, is ${TIMES_FASTER} x faster than a reload, and nothing is stale after it`, () => {
  keep('flip', { flips: FLIPS, reloads: RELOADS, loads, stale });
  expect.soft(stale).toBe(0);
  const auto = loads.find(({ workers }) => workers === 2) as Flipped['loads'][number];
  expect.soft(auto.flip.p99).toBeLessThanOrEqual(P99);
  expect.soft(auto.reload.p50 / auto.flip.p50).toBeGreaterThanOrEqual(TIMES_FASTER);
});

/** Milliseconds of one flip to the other color; what is sent after it is looked at, and how long that takes. */
async function flip(agent: Agent, requests: number[]): Promise<number> {
  const to = otherColor(await active(agent));
  const begun = performance.now();
  const { status, body } = await control(agent, 'POST', `/v1/routes/backend/switch/${to}`);
  const took = performance.now() - begun;
  expect(status, body).toBe(200);
  for (let probe = 0; probe < PROBES; probe++) {
    const sent = performance.now();
    if ((await colorNow(agent)) !== to) stale += 1;
    requests.push(performance.now() - sent);
  }
  return took;
}

/** wrk with 64 connections on the other core, until it is aborted. */
function startLoad(wrk: string[], port: number): AbortController {
  const stop = new AbortController();
  const [program, ...args] = pinned(OTHERS, [...wrk, '-t1', '-c64', '-d600s', `http://127.0.0.1:${port}/`]);
  promisify(execFile)(program as string, args, { signal: stop.signal }).catch(() => {});
  return stop;
}

function control(agent: Agent, method: string, path: string) {
  return call({ socketPath: turnout.controlSocket, agent, method, path });
}

async function active(agent: Agent): Promise<Color> {
  return (JSON.parse((await control(agent, 'GET', '/v1/routes/backend')).body) as { active: Color }).active;
}

async function colorNow(agent: Agent): Promise<string | undefined> {
  return (await call({ port: turnout.gatewayPort, agent, method: 'GET', path: '/' })).headers['x-color'];
}

/** From the signal to the first answer of a worker that was not there before; a connection of its own for each look. */
async function reload(): Promise<number> {
  const before = family(turnout.masterPid());
  const begun = performance.now();
  process.kill(turnout.masterPid(), 'SIGHUP');
  while (performance.now() - begun < 20_000) {
    const answer = await call({ socketPath: turnout.controlSocket, method: 'GET', path: '/v1/health' }).catch(() => null);
    if (answer && !before.includes((JSON.parse(answer.body) as { worker: number }).worker)) break;
  }
  return performance.now() - begun;
}

function latency(values: number[]): Latency {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: Math.max(...values) };
}
