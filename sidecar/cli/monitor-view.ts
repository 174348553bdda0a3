import { formatDuration } from '../config/duration.ts';
import type { ColorReport, Limits, MonitorReport, Rates, ReplicaReport } from '../monitor/report.ts';
import { table } from './output.ts';

/** A report for people; the last line is the verdict. */
export function showReport(report: MonitorReport): string {
  const { service, active, colors, limits, gateway, deployment, smoke, findings, verdict } = report;
  const head = active === null ? `${service}: nothing is live` : `${service}: ${active} is live`;
  const silent = gateway.answers ? [] : [`  the gateway does not answer: ${gateway.detail}`];
  const last = deployment ? [`  deployment ${deployment.id} of ${deployment.release}: ${deployment.phase}`] : [];
  const checks = (smoke?.checks ?? []).map(({ path, ok, detail }) => `  smoke ${path}: ${ok ? 'ok' : detail}`);
  const rest = findings.slice(1).map((one) => `  also ${one.state} (${one.reason}): ${one.message}`);
  return [
    head,
    ...silent,
    ...last,
    ...block(trafficRows(colors)),
    ...block(replicaRows(colors, limits)),
    ...lastErrors(colors),
    ...checks,
    ...rest,
    verdict.state === 'healthy' ? `healthy: ${verdict.message}` : `${verdict.state} (${verdict.reason}): ${verdict.message}`,
  ].join('\n');
}

function block(rows: string[][]): string[] {
  if (rows.length < 2) return [];
  return table(rows)
    .split('\n')
    .map((line) => `  ${line}`);
}

function trafficRows(colors: ColorReport[]): string[][] {
  const head = [
    'traffic',
    'release',
    'share',
    'over',
    'requests',
    'per s',
    'failed',
    'failed over',
    'p50',
    'p95',
    'p99',
    'in flight',
  ];
  const rows = colors.flatMap(({ color, release, weight, traffic }) => {
    const named = [color, release ?? '-', `${weight} %`];
    if (!traffic) return [[...named, 'the gateway does not tell']];
    const { lastMinute, sinceSwitch, inFlight } = traffic;
    const since = sinceSwitch ? [['', '', '', over(sinceSwitch, 'since its switch'), ...rates(sinceSwitch)]] : [];
    return [[...named, over(lastMinute, 'the last minute'), ...rates(lastMinute), String(inFlight)], ...since];
  });
  return [head, ...rows];
}

function over({ seconds }: Rates, otherwise: string): string {
  return seconds === null
    ? otherwise
    : seconds < 120
      ? `${Math.round(seconds)} s`
      : formatDuration(Math.round(seconds / 60) * 60_000);
}

function rates({ requests, perSecond, failed, failedShare, failedOver, p50, p95, p99 }: Rates): string[] {
  const bound = (ms: number | null) => (requests === 0 ? '-' : ms === null ? '> 10 s' : `${ms} ms`);
  const share = failedShare === null ? '' : ` (${Number((failedShare * 100).toFixed(2))} %)`;
  return [
    String(requests),
    perSecond === null ? '-' : String(perSecond),
    `${failed}${share}`,
    String(failedOver),
    bound(p50),
    bound(p95),
    bound(p99),
  ];
}

function replicaRows(colors: ColorReport[], limits: Limits): string[][] {
  const head = ['replica', 'address', 'now', 'last 5 min', 'restarts', 'cpu', 'memory', 'error lines'];
  return [head, ...colors.flatMap(({ replicas }) => replicas.map((one) => replicaRow(one, limits)))];
}

function replicaRow({ name, address, state, checks, resources, restarts, errors }: ReplicaReport, limits: Limits): string[] {
  const { cpu, memory } = resources;
  const { ok, total, flaps } = checks;
  return [
    name,
    address,
    state,
    total === 0 ? '-' : `${Math.floor((ok / total) * 1000) / 10} %${flaps > 0 ? `, ${flaps} flaps` : ''}`,
    String(restarts.total),
    cpu === null ? '-' : ofLimit(cpu.toFixed(2), cpu, limits.cpu, String),
    memory === null ? '-' : ofLimit(mebibytes(memory), memory, limits.memory, mebibytes),
    `${errors.total} (${errors.recent} in the last minute)`,
  ];
}

function ofLimit(text: string, value: number, limit: number | null, show: (limit: number) => string): string {
  return limit === null ? text : `${text} of ${show(limit)} (${Math.round((value / limit) * 100)} %)`;
}

function lastErrors(colors: ColorReport[]): string[] {
  return colors.flatMap(({ replicas }) =>
    replicas.filter((one) => one.errors.last !== null).map((one) => `  ${one.name} wrote: ${one.errors.last}`),
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
