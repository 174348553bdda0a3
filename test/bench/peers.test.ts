import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Contender, caddy, emptyJsSet, haproxy, nginxLua, other, plainNginx, startTurnout } from './contenders.ts';
import { assertQuiet } from './cpu.ts';
import { findPeers, type Peers } from './peers.ts';
import { keep } from './results.ts';
import { type Spread, spread } from './statistics.ts';
import { peersTable } from './tables.ts';
import { type Figures, measure, type Scenario } from './wrk.ts';

/** How many pairs of Turnout with each of the others, in turns. */
const ROUNDS = Number(process.env.TURNOUT_BENCH_ROUNDS ?? 11);
const SECONDS = 1;

const SCENARIOS: Scenario[] = [
  { name: '64 connections, kept alive, 1 kB', connections: 64, path: '/' },
  { name: '1,000 connections, kept alive, 1 kB', connections: 1000, path: '/' },
  { name: '64 connections, kept alive, 100 kB', connections: 64, path: '/large' },
  { name: '64 clients, a new connection for each request, 1 kB', connections: 64, path: '/', headers: { Connection: 'close' } },
];

/** What the first scenario must reach: CPU of the other for a request / CPU of Turnout for one. */
const FLOORS: Record<string, number> = {
  'nginx, fixed upstream': 0.93,
  'nginx, empty js_set': 0.91,
  'HAProxy, map': 0.88,
  'nginx, Lua': 0.98,
  Caddy: 3.5,
};

export interface Peered {
  versions: Record<string, string>;
  rounds: number;
  seconds: number;
  scenarios: { name: string; contenders: Compared[] }[];
}

export interface Compared {
  name: string;
  /** Microseconds a request. */
  cpu: Spread;
  /** Requests a second. */
  throughput: Spread;
  /** Of this one / of Turnout, pair by pair: above 1 Turnout needs less. */
  cpuToTurnout: Spread;
  /** Of Turnout / of this one: above 1 Turnout does more. */
  throughputOfTurnout: Spread;
}

let peers: Peers;
const contenders: Contender[] = [];
const compared = new Map<string, Compared[]>();

beforeAll(async () => {
  peers = await findPeers();
  await assertQuiet();
  const { contender, backend } = await startTurnout();
  // Turnout goes last of these, since it ends the application with it.
  contenders.push(contender);
  const others = [
    plainNginx(backend),
    emptyJsSet(backend),
    nginxLua(backend, peers),
    haproxy(backend, peers),
    caddy(backend, peers),
  ];
  if (process.env.TURNOUT_BENCH_OTHER) others.push(other(backend, process.env.TURNOUT_BENCH_OTHER));
  for (const starting of others) contenders.push(await starting);
});

afterAll(async () => {
  for (const contender of contenders.reverse()) await contender.stop();
});

test.each(SCENARIOS)('$name', async (scenario) => {
  const [turnout, ...others] = contenders as [Contender, ...Contender[]];
  for (const contender of contenders) await measure(peers.wrk, contender, scenario, 1);
  const pairs = new Map<Contender, Pair[]>(others.map((contender) => [contender, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of others) pairs.get(contender)?.push(await pair(turnout, contender, scenario, round % 2 === 1));
  }
  const rows = compare(turnout, pairs);
  compared.set(scenario.name, rows);
  console.log(`${scenario.name}\n${peersTable(rows)}`);
  if (compared.size < SCENARIOS.length) return;
  const { nginx, njs } = JSON.parse(process.env.TURNOUT_NGINX_VERSIONS ?? '{}') as Record<string, string>;
  const versions = {
    nginx: nginx ?? '',
    njs: njs ?? '',
    'nginx with Lua': peers.versions.nginx,
    HAProxy: peers.versions.haproxy,
    Caddy: peers.versions.caddy,
  };
  keep('peers', {
    versions,
    rounds: ROUNDS,
    seconds: SECONDS,
    scenarios: [...compared].map(([name, ones]) => ({ name, contenders: ones })),
  });
});

test.each(Object.entries(FLOORS))('for a request %s needs at least %d of what Turnout does', (name, floor) => {
  const [first, second] = SCENARIOS.map(
    (scenario) => compared.get(scenario.name)?.find((one) => one.name === name)?.cpuToTurnout.median ?? 0,
  );
  expect.soft(first).toBeGreaterThanOrEqual(floor);
  // At 1,000 connections the same within 5 %.
  expect(second).toBeGreaterThanOrEqual(floor * 0.95);
});

/** Turnout and another one, measured one right after the other: the machine is a little faster or slower every few seconds. */
interface Pair {
  turnout: Figures;
  other: Figures;
}

async function pair(turnout: Contender, contender: Contender, scenario: Scenario, turned: boolean): Promise<Pair> {
  const figures = new Map<Contender, Figures>();
  const order = turned ? [contender, turnout] : [turnout, contender];
  for (const one of order) figures.set(one, await measure(peers.wrk, one, scenario, SECONDS));
  return { turnout: figures.get(turnout) as Figures, other: figures.get(contender) as Figures };
}

function compare(turnout: Contender, pairs: Map<Contender, Pair[]>): Compared[] {
  const all = [...pairs.values()].flat().map((one) => one.turnout);
  const even = { median: 1, min: 1, max: 1 };
  const own = {
    name: turnout.name,
    cpu: spread(all.map(({ cpu }) => cpu)),
    throughput: spread(all.map(({ throughput }) => throughput)),
    cpuToTurnout: even,
    throughputOfTurnout: even,
  };
  const others = [...pairs].map(([{ name }, ones]) => ({
    name,
    cpu: spread(ones.map(({ other }) => other.cpu)),
    throughput: spread(ones.map(({ other }) => other.throughput)),
    cpuToTurnout: spread(ones.map((one) => one.other.cpu / one.turnout.cpu)),
    throughputOfTurnout: spread(ones.map((one) => one.turnout.throughput / one.other.throughput)),
  }));
  return [own, ...others];
}
