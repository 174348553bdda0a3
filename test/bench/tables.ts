import type { Deployed } from './deployment.test.ts';
import type { Flipped, Latency } from './flip.test.ts';
import type { Growth } from './growth.test.ts';
import type { Held } from './held.test.ts';
import type { History } from './history.test.ts';
import type { Idle } from './idle.test.ts';
import type { Compared, Peered } from './peers.test.ts';
import type { Settings } from './settings.test.ts';
import type { Spread } from './statistics.ts';

/** What everybody is compared with. */
const PLAIN = 'nginx, fixed upstream';

/** How docs/performance.md shows each measurement. */
export const tables = {
  peers: ({ versions, rounds, seconds, scenarios }: Peered): string => {
    const said = `${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}; ${rounds} pairs with Turnout of ${seconds} s each.`;
    const blocks = scenarios.map(({ name, contenders }) => `**${name}**\n\n${peersTable(contenders)}`);
    return [said, ...blocks].join('\n\n');
  },
  settings: ({ rounds, manyUpstreams, scenarios }: Settings): string => {
    const [{ settings: first }] = scenarios as [Settings['scenarios'][number]];
    const both = (cpu: Spread, throughput: Spread) => `${ratio(cpu)}; ${throughput.median.toFixed(2)}`;
    const cell = (scenario: Settings['scenarios'][number], name: string) => {
      const { cpu, throughput } = scenario.settings.find((one) => one.name === name) as { cpu: Spread; throughput: Spread };
      return both(cpu, throughput);
    };
    const rows = first.map(({ name }) => [name, ...scenarios.map((scenario) => cell(scenario, name))]);
    return [
      `${rounds} pairs; CPU as it is / changed, then throughput changed / as it is.`,
      table(['', ...scenarios.map(({ name }) => name)], rows),
      [
        '1,602 upstream blocks instead of 6, for the service in the middle of 267:',
        '',
        `- called as people do (\`orders-api\`, \`users-web\`): ${both(manyUpstreams.words.cpu, manyUpstreams.words.throughput)};`,
        `- called \`service-1\` to \`service-267\`: ${both(manyUpstreams.numbers.cpu, manyUpstreams.numbers.throughput)}.`,
      ].join('\n'),
    ].join('\n\n');
  },
  flip: ({ flips, reloads, loads, stale }: Flipped): string =>
    [
      table(
        ['under full load', 'p50', 'p99', 'max'],
        loads.flatMap(({ workers, flip, request, reload }) => [
          [`flip, ${flips} times, workers: ${workers}`, ...latencies(flip)],
          [`any request meanwhile, workers: ${workers}`, ...latencies(request)],
          [`\`nginx -s reload\`, ${reloads} times, workers: ${workers}`, ...latencies(reload)],
          ['reload / flip', ...(['p50', 'p99', 'max'] as const).map((name) => `${(reload[name] / flip[name]).toFixed(1)} x`)],
        ]),
      ),
      `Of the requests sent right after each flip was acknowledged, ${stale} were answered by the old color.`,
    ].join('\n\n'),
  held: ({ streams, flips, cut, plain, turnout }: Held): string =>
    [
      table(
        [`${streams.toLocaleString('en')} event streams, one worker`, 'at rest', 'for each stream'],
        [
          ['nginx, fixed upstream', megabytes(plain.rest), kilobytes(plain.stream)],
          ['Turnout', megabytes(turnout.rest), kilobytes(turnout.stream)],
          ['Turnout / nginx', '', `${(turnout.stream / plain.stream).toFixed(2)} x`],
        ],
      ),
      `${cut} of the streams were cut by ${flips} flips.`,
    ].join('\n\n'),
  deployment: ({ deployments, phases, switchedAfter, switch: write }: Deployed): string =>
    table(
      [`${deployments} deployments of the example`, 'median', 'min to max'],
      [
        ...phases.map(({ phase, took }): [string, Spread] => [`\`${phase}\``, took]),
        ['from accepted to switched', switchedAfter] as [string, Spread],
        ['of which the write of the route', write] as [string, Spread],
      ].map(([what, took]) => [what, `${took.median.toFixed(0)} ms`, `${took.min.toFixed(0)} to ${took.max.toFixed(0)} ms`]),
    ),
  idle: ({ seconds: long, cpu, memory, deployments }: Idle): string =>
    table(
      ['', 'first', 'last'],
      [
        [`memory of the sidecar in ${long} s without traffic`, megabytes(memory.first), megabytes(memory.last)],
        [`memory of the sidecar in ${deployments.count} deployments`, megabytes(deployments.first), megabytes(deployments.last)],
        [
          `accepted to switched in ${deployments.count} deployments`,
          milliseconds(deployments.switched.first),
          milliseconds(deployments.switched.last),
        ],
        ['share of a core, sidecar', percent(cpu.sidecar), ''],
        ['share of a core, gateway with two workers', percent(cpu.gateway), ''],
        ['memory of the gateway', megabytes(memory.gateway), ''],
      ],
    ),
  growth: ({ idleSeconds, services, replicas }: Growth): string =>
    [
      `**Services**, each with two colors of two slots and a replica in each slot of one color; at rest for ${idleSeconds} s; one worker of nginx.`,
      servicesTable(services),
      '**Replicas** of one service.',
      replicasTable(replicas),
    ].join('\n\n'),
  history: ({ rows }: History): string => historyTable(rows),
};

/** Of one scenario. */
export function peersTable(rows: Compared[]): string {
  const plain = rows.find(({ name }) => name === PLAIN) as Compared;
  const head = ['', 'CPU a request', 'CPU: this / Turnout', `CPU: ${PLAIN} / this`, 'throughput', 'throughput: Turnout / this'];
  return table(
    head,
    rows.map(({ name, cpu, cpuToTurnout, throughput, throughputOfTurnout }) => [
      name,
      `${us(cpu.median)} (${cpu.min.toFixed(1)} to ${cpu.max.toFixed(1)})`,
      ratio(cpuToTurnout),
      (plain.cpu.median / cpu.median).toFixed(3),
      `${(throughput.median / 1000).toFixed(1)} k/s`,
      ratio(throughputOfTurnout),
    ]),
  );
}

function servicesTable(rows: Growth['services']): string {
  const head = [
    'services',
    'start until all are live',
    'memory: sidecar',
    'memory: gateway',
    'CPU at rest: sidecar',
    'CPU at rest: gateway',
    'CPU a request',
    'flip: p50, p99, max',
    'GET /metrics',
  ];
  return table(
    head,
    rows.map(({ services, startMs, memory, idle, cpu, flip, metricsMs }) => [
      `${services}`,
      seconds(startMs),
      megabytes(memory.sidecar),
      megabytes(memory.gateway),
      `${idle.sidecar.toFixed(2)} s/min`,
      `${idle.gateway.toFixed(2)} s/min`,
      us(cpu.median),
      [flip.p50, flip.p99, flip.max].map(milliseconds).join(', '),
      milliseconds(metricsMs),
    ]),
  );
}

function replicasTable(rows: Growth['replicas']): string {
  return table(
    ['replicas', 'start until live', 'CPU a request'],
    rows.map(({ replicas, startMs, cpu }) => [`${replicas}`, seconds(startMs), us(cpu.median)]),
  );
}

function historyTable(rows: History['rows']): string {
  const head = [
    'deployments',
    'journal',
    'start of `turnout up`',
    'memory: sidecar',
    '`turnout history --json`',
    'GET .../history',
    'GET /v1/services/{s}',
  ];
  return table(
    head,
    rows.map(({ deployments, journal, startMs, memory, historyMs, getHistoryMs, getServiceMs }) => [
      deployments.toLocaleString('en'),
      megabytes(journal),
      seconds(startMs),
      megabytes(memory),
      milliseconds(historyMs),
      milliseconds(getHistoryMs),
      milliseconds(getServiceMs),
    ]),
  );
}

export function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function us(value: number): string {
  return `${value.toFixed(1)} us`;
}

function ratio({ median, min, max }: Spread): string {
  return `${median.toFixed(3)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1e3).toFixed(1)} kB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function latencies({ p50, p99, max }: Latency): string[] {
  return [p50, p99, max].map((value) => `${value.toFixed(2)} ms`);
}
