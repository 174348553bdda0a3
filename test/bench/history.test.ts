import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import type { Written } from '../../sidecar/store/journal.ts';
import { temporaryFolder } from '../support/processes.ts';
import type { Turnout } from '../support/turnout.ts';
import { memory } from './cpu.ts';
import { deploy, median, partsOf, SETTLED, serviceName, withTurnout } from './many-services.ts';
import { keep } from './results.ts';
import { writeBackend } from './servers.ts';

/** Finished ones, in the journal; an even number. */
const DEPLOYMENTS = Number(process.env.TURNOUT_BENCH_DEPLOYMENTS ?? 10_000);
/** How long before the next one each deployment of a made up history was; milliseconds. */
const APART = 10 * 60_000;

export interface History {
  rows: OfHistory[];
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

test(`a history of ${DEPLOYMENTS.toLocaleString('en')} deployments`, async () => {
  const folder = await temporaryFolder();
  await writeBackend(folder, { small: true });
  const rows: OfHistory[] = [];
  await withTurnout({ folder, services: 1, replicas: 1 }, async (turnout) => {
    // The last two evict what ran in their color, as each of 10,000 does; with the first release it is an even number.
    for (const release of ['v2', 'v3', 'v4', 'v5', 'v6']) await deploy(turnout, serviceName(1), release);
    await turnout.endSidecar('SIGTERM');
    rows.push(await measureHistory(turnout));
    await turnout.endSidecar('SIGTERM');
    await lengthen(journalOf(turnout), DEPLOYMENTS);
    rows.push(await measureHistory(turnout));
  });
  await rm(folder, { recursive: true, force: true });
  keep('history', { rows });
});

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
