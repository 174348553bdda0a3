import type { ColorReport, Looked, Rates, ReplicaReport, TrafficReport } from '../../../sidecar/monitor/report.ts';

const MIB = 1024 ** 2;

/** Living and well, in slot 1 of green, with nothing to complain about. */
export function replica(parts: Partial<ReplicaReport> = {}): ReplicaReport {
  const slot = parts.slot ?? 1;
  return {
    name: `green-${slot}`,
    slot,
    address: `127.0.0.1:2000${slot}`,
    state: 'healthy',
    detail: '',
    checks: { ok: 300, total: 300, flaps: 0 },
    resources: { cpu: 0.1, memory: 50 * MIB, growth: null },
    restarts: { total: 0, recent: 0, lastEnd: '' },
    errors: { total: 0, recent: 0, last: null },
    ...parts,
  };
}

export function rates(parts: Partial<Rates> = {}): Rates {
  const none = { p50: null, p95: null, p99: null };
  return { seconds: 60, requests: 0, perSecond: 0, failed: 0, failedShare: null, failedOver: 0, ...none, ...parts };
}

export function traffic(parts: Partial<TrafficReport> = {}): TrafficReport {
  return { inFlight: 0, lastMinute: rates(), sinceSwitch: null, breach: null, ...parts };
}

export function color(parts: Partial<ColorReport> = {}): ColorReport {
  return { color: 'green', release: 'v2', weight: 100, ready: true, replicas: [replica()], traffic: traffic(), ...parts };
}

/** Green serves v2, and all is well. */
export function looked(parts: Partial<Looked> = {}): Looked {
  return {
    service: 'backend',
    at: '2026-01-01T00:00:00.000Z',
    active: 'green',
    generation: 7,
    gateway: { answers: true, detail: '' },
    runtime: { answers: true, detail: '' },
    deployment: null,
    limits: { minRequests: 50, maxErrorRate: 0.01, maxP99: null, cpu: 0.5, memory: 100 * MIB, errorLines: 5 },
    colors: [color()],
    smoke: null,
    ...parts,
  };
}

export { MIB };
