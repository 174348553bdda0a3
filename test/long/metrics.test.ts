import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type Exposition, valuesOf } from '../support/exposition.ts';
import { faulty } from '../support/faulty.ts';
import { type Load, startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { dashboardQueries, Prometheus, testWithPrometheus } from '../support/prometheus.ts';
import { Scraper } from '../support/scraper.ts';
import { Turnout } from '../support/turnout.ts';

/** How long the row of deployments is scraped; less for whoever has less time. */
const SECONDS = Number(process.env.TURNOUT_METRICS_SECONDS ?? 300);
const DEPLOYMENTS = 20;
const CONNECTIONS = 8;

let turnout: Turnout;
let prometheus: Prometheus | null = null;
let load: Load | null = null;
let scraper: Scraper | null = null;

afterEach(async () => {
  await scraper?.stop().catch(() => undefined);
  await load?.stop();
  await prometheus?.stop();
  prometheus = null;
  await turnout?.destroy();
});

/** Some 300 requests a second. */
function moderate(seed: number): Load {
  return startLoad({ origin: turnout.origin, connections: CONNECTIONS, mix: { get: 1, slow: 2 }, slowMs: 40, seed });
}

function workers(): number[] {
  const master = turnout.masterPid();
  return readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ').map(Number);
}

const requests = (scrape: Exposition) => valuesOf(scrape, 'turnout_gateway_requests_total', 'color', 'code');
const counts = (scrape: Exposition) => valuesOf(scrape, 'turnout_gateway_request_duration_seconds_count', 'color');
const inFlight = (scrape: Exposition) => Object.values(valuesOf(scrape, 'turnout_gateway_in_flight', 'color'));
const sum = (values: Record<string, number>) => Object.values(values).reduce((all, value) => all + value, 0);
const difference = (later: Record<string, number>, earlier: Record<string, number>) =>
  Object.fromEntries(Object.entries(later).map(([key, value]) => [key, value - (earlier[key] ?? 0)]));

/** Once every request has been counted. */
function settled(): Promise<Exposition> {
  return eventually('nothing is in flight', async () => {
    const scrape = await (scraper as Scraper).now();
    return sum(Object.fromEntries(inFlight(scrape).entries())) === 0 ? scrape : null;
  });
}

test(`scraped once a second over ${DEPLOYMENTS} deployments: no counter goes back unmarked, series stay few, sums are exact`, {
  timeout: (SECONDS + 180) * 1000,
}, async () => {
  turnout = await Turnout.start();
  scraper = new Scraper(turnout.apiPort);
  const own = scraper;
  const started = performance.now();
  let deployed = 0;
  /** The next deployments, each at its time. */
  const deploy = async (upTo: number) => {
    while (deployed < upTo) {
      deployed++;
      const release = `v${deployed + 1}`;
      const { code, stderr } = await turnout.cli('deploy', '--release', release);
      expect(code, `${release}: ${stderr}\n${turnout.diagnosis()}`).toBe(0);
      await sleep(Math.max(0, started + (deployed * SECONDS * 1000) / (DEPLOYMENTS + 1) - performance.now()));
    }
  };

  // Nothing breaks: every figure agrees with the load generator's own to the request.
  const before = await settled();
  load = moderate(1);
  await deploy(14);
  const whole = await load.stop();
  const after = await settled();
  expect(whole.failed, JSON.stringify(whole.failures)).toBe(0);
  const counted = difference(requests(after), requests(before));
  expect(counted).toMatchObject({ 'blue 2xx': whole.byColor.blue, 'green 2xx': whole.byColor.green });
  expect(sum(counted), 'all of them, whatever their status').toBe(whole.total);
  expect(difference(counts(after), counts(before))).toEqual({ blue: whole.byColor.blue, green: whole.byColor.green });

  // A worker dies: what it was answering is lost, what it has counted is not.
  load = moderate(2);
  await deploy(15);
  process.kill(workers()[0] as number, 'SIGKILL');
  await deploy(17);
  const hurt = await load.stop();
  const all = sum(difference(requests(await settled()), requests(after)));
  const answered = hurt.total - hurt.failed;
  expect(hurt.failed, 'one worker has at most every connection').toBeLessThanOrEqual(CONNECTIONS);
  expect(all, 'what was answered').toBeGreaterThanOrEqual(answered);
  expect(all, 'and perhaps what its worker did not come to tell').toBeLessThanOrEqual(hurt.total);
  expect(valuesOf(await own.now(), 'turnout_gateway_resets_total', 'service')).toEqual({ backend: 0 });

  // Everything of nginx dies: the counters begin anew, and that is told.
  load = moderate(3);
  await deploy(18);
  process.kill(-turnout.masterPid(), 'SIGKILL');
  await eventually('the restart is told', async () => {
    return valuesOf(await own.now(), 'turnout_gateway_resets_total', 'service').backend === 1;
  });
  await deploy(DEPLOYMENTS);
  await load.stop();
  await sleep(Math.max(0, started + SECONDS * 1000 - performance.now()));
  await own.stop();
  const last = await own.now();

  expect(own.wentBack).toEqual([]);
  for (const scrape of own.taken)
    for (const value of inFlight(scrape)) expect(value >= 0 && value <= CONNECTIONS, `${value} in flight`).toBe(true);
  const answering = own.taken.filter((scrape) => valuesOf(scrape, 'turnout_gateway_up', 'service').backend === 1);
  const sizes = answering.map((scrape) => scrape.samples.filter((one) => one.name.startsWith('turnout_')).length);
  const everSeen = new Set(own.taken.flatMap((scrape) => scrape.samples.map((one) => one.series)));
  const releases = [...everSeen].filter((series) => series.startsWith('turnout_release_info')).length;
  const took = [...own.took].sort((a, b) => a - b);
  const figures = {
    scrapes: own.taken.length,
    away: own.taken.length - answering.length,
    requests: whole.total + hurt.total,
    series: [Math.min(...sizes), Math.max(...sizes)],
    total: last.samples.length,
    everSeen: everSeen.size,
    tookMs: [took[Math.floor(took.length / 2)], took.at(-1)].map((ms) => Math.round((ms ?? 0) * 10) / 10),
  };
  console.log(JSON.stringify(figures));
  expect(own.taken.length).toBeGreaterThan(SECONDS * 0.9);
  // A color more or less has a release; nothing else may come or go.
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(2);
  expect(Math.max(...sizes)).toBeLessThan(250);
  // 21 releases in two colors at most, and Node's own, which come as it collects its garbage.
  expect(everSeen.size - releases).toBeLessThan(Math.min(...sizes) + 70);
  expect(valuesOf(last, 'turnout_deployments_total', 'result')).toMatchObject({ live: DEPLOYMENTS + 1, failed: 0 });
  expect(valuesOf(last, 'turnout_switches_total', 'by')).toEqual({ deployment: DEPLOYMENTS + 1, manual: 0, guard: 0 });
});

testWithPrometheus(
  'a Prometheus server scrapes a running Turnout, every panel of the dashboard has data, and alerts fire',
  { timeout: 180_000 },
  async () => {
    const bake = { for: '4s', minRequests: 50, maxErrorRate: '1%' };
    turnout = await Turnout.start({ service: faulty('export FAULT_ERROR_SHARE=30%', { bake }) });
    prometheus = await Prometheus.start(turnout.folder, `127.0.0.1:${turnout.apiPort}`);
    const server = prometheus;
    load = startLoad({ origin: turnout.origin, connections: 4, mix: { slow: 1 }, slowMs: 10 });
    expect((await turnout.cli('deploy', '--release', 'v1', '--force')).code, turnout.diagnosis()).toBe(0);

    // A replica dies while the other color is warm: that one answers.
    const [replica] = await turnout.replicaPids((await turnout.route()).active);
    process.kill(replica as number, 'SIGKILL');
    await eventually('requests have failed over', async () => {
      return (await server.query('sum(turnout_gateway_failed_over_total) > 0')).length > 0;
    });
    await eventually('the replica is back', async () => {
      const told = await server.query(
        'turnout_replica_restarts_total > 0 and on (service) sum by (service) (turnout_replicas{state="dead"}) == 0',
      );
      return told.length > 0;
    });
    await load.stop();

    // A bad release, and a sidecar that stands still: the guard moves traffic back.
    const back = (await turnout.route()).active;
    expect((await turnout.cli('deploy', '--release', 'v2', '--no-wait')).code).toBe(0);
    await eventually('v2 bakes', async () => (await turnout.view()).deployment?.phase === 'baking');
    const { pid } = turnout.child as { pid: number };
    process.kill(pid, 'SIGSTOP');
    load = startLoad({ origin: turnout.origin, connections: 4, mix: { slow: 1 }, slowMs: 10 });
    await eventually('the guard fires', async () => (await turnout.route()).active === back);
    process.kill(pid, 'SIGCONT');

    for (const { title, query } of dashboardQueries('5m', '15s')) {
      await eventually(
        `data for ${title}: ${query}`,
        async () => (await server.query(query)).some(({ value }) => Number.isFinite(Number(value[1]))),
        30_000,
      );
    }
    for (const alert of ['TurnoutGuardFired', 'TurnoutDeploymentLost']) {
      await eventually(`${alert} fires`, async () => {
        return (await server.query(`ALERTS{alertname="${alert}",alertstate="firing"}`)).length > 0;
      });
    }
    expect(
      await server.query('ALERTS{alertname=~"TurnoutNoActiveColor|TurnoutJournalNotWritable|TurnoutNeedsOperator"}'),
    ).toEqual([]);
    // What Prometheus has is what nginx has.
    await load.stop();
    const counted = await settledTraffic();
    await eventually('Prometheus has counted every request', async () => {
      const [told] = await server.query('sum(turnout_gateway_requests_total)');
      return Number(told?.value[1]) === counted;
    });
  },
);

/** Of nginx itself, once nothing is in flight. */
function settledTraffic(): Promise<number> {
  return eventually('nothing is in flight', async () => {
    const { colors } = JSON.parse((await turnout.control('GET', '/v1/traffic/backend')).body);
    const { blue, green } = colors as Record<'blue' | 'green', { inFlight: number; finished: Record<string, number> }>;
    return blue.inFlight + green.inFlight === 0 ? sum(blue.finished) + sum(green.finished) : null;
  });
}
