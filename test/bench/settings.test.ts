import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Contender, MEASURED, OTHERS } from './contenders.ts';
import { assertQuiet, family } from './cpu.ts';
import { GatewayFolder, type GatewayOptions, nginxHome } from './gateway-folder.ts';
import { findPeers, type Peers } from './peers.ts';
import { keep } from './results.ts';
import { Backend, pinned, Server } from './servers.ts';
import { type Spread, spread } from './statistics.ts';
import { measure, type Scenario } from './wrk.ts';

/** How many pairs of a setting with the one that Turnout has. */
const ROUNDS = Number(process.env.TURNOUT_BENCH_ROUNDS ?? 11);
const SECONDS = 1;

const SCENARIOS: Scenario[] = [
  { name: '64 connections, 1 kB', connections: 64, path: '/' },
  { name: '1,000 connections, 1 kB', connections: 1000, path: '/' },
  { name: '64 connections, 100 kB', connections: 64, path: '/large' },
];

type Edit = [file: string, from: RegExp, to: string];

/** What of nginx' configuration may matter, each by one edit of what Turnout installs. */
const SETTINGS: Record<string, Edit> = {
  'keepalive 128 to the application': ['rendered/upstreams.conf', /keepalive 32;/g, 'keepalive 128;'],
  'keepalive 1024 to the application': ['rendered/upstreams.conf', /keepalive 32;/g, 'keepalive 1024;'],
  'listen reuseport': ['rendered/servers.conf', / default_server;/, ' default_server reuseport;'],
};

/** So many services have 1,602 upstream blocks; the one in the middle is measured. */
const MANY = 267;
/** CPU with the 6 blocks of one service / CPU with 1,602. */
const MANY_UPSTREAMS = 0.92;

export interface Settings {
  rounds: number;
  /** By what the services are called. */
  manyUpstreams: Record<'words' | 'numbers', { cpu: Spread; throughput: Spread }>;
  scenarios: { name: string; settings: { name: string; cpu: Spread; throughput: Spread }[] }[];
}

let peers: Peers;
let backend: Backend;
let present: Contender;
const changed: Contender[] = [];
const folders: GatewayFolder[] = [];

beforeAll(async () => {
  peers = await findPeers();
  await assertQuiet();
  backend = await Backend.start(OTHERS);
  present = await gateway('as it is');
  for (const [name, edit] of Object.entries(SETTINGS))
    changed.push(await gateway(name, { change: (folder) => apply(folder, edit) }));
});

afterAll(async () => {
  for (const one of [present, ...changed]) await one?.stop();
  await backend?.stop();
  for (const folder of folders) await folder.remove();
});

test('settings of nginx against those that Turnout has', async () => {
  const scenarios: Settings['scenarios'] = [];
  for (const scenario of SCENARIOS) {
    const settings = [];
    for (const one of changed) settings.push({ name: one.name, ...(await compare(one, scenario)) });
    scenarios.push({ name: scenario.name, settings });
  }
  const many = async (names: 'words' | 'numbers') => {
    const one = await gateway(`1,602 upstream blocks, ${names}`, { services: MANY, names });
    changed.push(one);
    return compare(one, SCENARIOS[0] as Scenario);
  };
  const manyUpstreams = { words: await many('words'), numbers: await many('numbers') };
  keep('settings', { rounds: ROUNDS, manyUpstreams, scenarios });
  expect(manyUpstreams.words.cpu.median).toBeGreaterThanOrEqual(MANY_UPSTREAMS);
});

async function apply(folder: GatewayFolder, [file, from, to]: Edit): Promise<void> {
  await folder.edit(file, (text) => {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${file} has nothing like ${from}`);
    return changed;
  });
}

/** Present / changed: above 1 the change is better. */
async function compare(one: Contender, scenario: Scenario): Promise<{ cpu: Spread; throughput: Spread }> {
  const cpu: number[] = [];
  const throughput: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await measure(peers.wrk, present, scenario, SECONDS);
    const after = await measure(peers.wrk, one, scenario, SECONDS);
    cpu.push(before.cpu / after.cpu);
    throughput.push(after.throughput / before.throughput);
  }
  return { cpu: spread(cpu), throughput: spread(throughput) };
}

async function gateway(
  name: string,
  {
    change = async () => {},
    ...options
  }: Omit<GatewayOptions, 'backend'> & { change?: (folder: GatewayFolder) => Promise<void> } = {},
): Promise<Contender> {
  const folder = await GatewayFolder.install({ ...options, backend: backend.address });
  folders.push(folder);
  await change(folder);
  await folder.edit('nginx.conf', (text) => `daemon off;\n${text}`);
  const words = [...nginxHome().command, '-p', `${folder.folder}/`, '-e', `${folder.folder}/error.log`, '-c', folder.conf];
  const server = await Server.start(pinned(MEASURED, words), folder.port);
  const headers = { Host: folder.host(folder.services[Math.floor(folder.services.length / 2)] as string) };
  return { name, port: folder.port, headers, pids: () => family(server.pid), stop: () => server.stop() };
}
