import type { ColorReport, Finding, Limits, Looked, MonitorVerdict, ReplicaReport } from './report.ts';

/** Share of a limit from which on a replica is near it. */
const NEAR = 0.9;
/** Deaths of one replica within 5 min that make a crash loop. */
const LOOP = 3;
/** Falls from well to ill within 5 min. */
const FLAPS = 3;

const SEVERITY = { unhealthy: 0, degraded: 1, unknown: 2 };

/** The verdict, and everything that is wrong, the worst first. The rules stand in docs/monitor.md, in the same order. */
export function judge(looked: Looked): { verdict: MonitorVerdict; findings: Finding[] } {
  const serving = looked.colors.filter((one) => one.weight > 0);
  const findings = blind(looked) ?? [
    ...whole(looked, serving),
    ...serving.flatMap((color) => ofColor(color, looked)),
    ...aside(looked),
  ];
  findings.sort((a, b) => SEVERITY[a.state] - SEVERITY[b.state]);
  const [worst] = findings;
  return { verdict: worst ?? { state: 'healthy', reason: 'healthy', message: praise(looked, serving) }, findings };
}

/** Nobody can say anything. */
function blind({ gateway, runtime }: Looked): Finding[] | null {
  if (gateway.answers || runtime.answers) return null;
  const message = `neither the gateway nor the runtime can be asked: ${gateway.detail}; ${runtime.detail}`;
  return [{ state: 'unknown', reason: 'nothing-seen', message }];
}

/** Nothing serves. */
function whole({ gateway, runtime, active, deployment }: Looked, serving: ColorReport[]): Finding[] {
  if (!gateway.answers) return [unhealthy('gateway-silent', `the gateway does not answer: ${gateway.detail}`)];
  if (active === null) {
    const how = deployment
      ? `; the last deployment, of ${deployment.release}, is ${deployment.phase}: ${deployment.message}`
      : '';
    return [unhealthy('nothing-live', `nothing is live${how}`)];
  }
  if (!runtime.answers) return [degraded('runtime-silent', `what runs cannot be told: ${runtime.detail}`)];
  const loops = serving.flatMap(({ replicas }) => (allLoop(replicas) ? replicas.map(crashLoop) : []));
  const without = serving
    .filter(({ replicas }) => !replicas.some(isUsable))
    .map(({ color, replicas }) => {
      const each = replicas.map((one) => `${one.name} is ${describe(one)}${ended(one)}`);
      return unhealthy('no-healthy-replica', `${color} has no healthy replica: ${each.join('; ') || 'none runs'}`);
    });
  return [...loops.map((message) => unhealthy('crash-loop', message)), ...without];
}

function ofColor(color: ColorReport, { limits }: Looked): Finding[] {
  const { replicas, traffic } = color;
  const found: Finding[] = [];
  const breach = traffic?.breach;
  if (breach?.reason === 'error-rate') found.push(unhealthy('error-rate', `${color.color}: ${breach.message} (last minute)`));
  if (replicas.some(isUsable)) found.push(...replicas.filter((one) => !isWell(one)).map((one) => sick(one, replicas)));
  if (!allLoop(replicas)) found.push(...replicas.flatMap(restarted));
  found.push(...replicas.flatMap((one) => ofReplica(one, limits)));
  if (breach && breach.reason !== 'error-rate')
    found.push(degraded(breach.reason, `${color.color}: ${breach.message} (last minute)`));
  return found;
}

function sick(replica: ReplicaReport, all: ReplicaReport[]): Finding {
  const rest = `${all.filter(isWell).length} of ${all.length} replicas are healthy`;
  return degraded(`replica-${replica.state}`, `${replica.name} is ${describe(replica)}; ${rest}`);
}

function restarted(replica: ReplicaReport): Finding[] {
  if (isLooping(replica)) return [degraded('crash-loop', crashLoop(replica))];
  return replica.restarts.recent > 0 ? [degraded('replica-restarted', startedAgain(replica))] : [];
}

/** Whoever keeps dying is not well, although it may answer between two deaths. */
function isLooping({ restarts }: ReplicaReport): boolean {
  return restarts.recent >= LOOP;
}

function allLoop(replicas: ReplicaReport[]): boolean {
  return replicas.length > 0 && replicas.every(isLooping);
}

function crashLoop(replica: ReplicaReport): string {
  return `crash loop: ${startedAgain(replica)}`;
}

function startedAgain({ name, restarts }: ReplicaReport): string {
  const how = restarts.lastEnd === '' ? '' : `; the one before ${restarts.lastEnd}`;
  return `${name} was started again ${times(restarts.recent)} in the last 5 min${how}`;
}

function ofReplica({ name, checks, resources, errors }: ReplicaReport, limits: Limits): Finding[] {
  const found: Finding[] = [];
  const { cpu, memory, growth } = resources;
  if (checks.flaps >= FLAPS) {
    const message = `${name} went from healthy to failing ${times(checks.flaps)} in the last 5 min; ${checks.ok} of ${checks.total} checks were well`;
    found.push(degraded('health-flaps', message));
  }
  if (memory !== null && limits.memory !== null && memory > NEAR * limits.memory) {
    const message = `${name} uses ${mebibytes(memory)}, ${percent(memory / limits.memory)} of its limit of ${mebibytes(limits.memory)}`;
    found.push(degraded('memory', message));
  }
  if (growth !== null) {
    const message = `${name} uses ${memory === null ? '?' : mebibytes(memory)} and grows steadily, by ${mebibytes(growth)} a minute: a leak?`;
    found.push(degraded('memory-grows', message));
  }
  if (cpu !== null && limits.cpu !== null && cpu > NEAR * limits.cpu) {
    const message = `${name} uses ${cpu.toFixed(2)} cores, ${percent(cpu / limits.cpu)} of its limit of ${limits.cpu}`;
    found.push(degraded('cpu', message));
  }
  if (errors.recent > limits.errorLines) {
    const last = errors.last === null ? '' : `; the latest: ${errors.last}`;
    const message = `${name} wrote ${errors.recent} error lines in the last minute, ${limits.errorLines} may be${last}`;
    found.push(degraded('log-errors', message));
  }
  return found;
}

function aside({ smoke, deployment }: Looked): Finding[] {
  const failed = smoke?.checks.filter((one) => !one.ok) ?? [];
  const found = failed.map((one) => degraded('smoke', `a smoke check of ${smoke?.color} fails: ${one.detail}`));
  if (deployment?.phase === 'needs-operator' && !deployment.handled)
    found.push(degraded('needs-operator', `deployment ${deployment.id} needs an operator: ${deployment.message}`));
  return found;
}

function praise({ limits }: Looked, serving: ColorReport[]): string {
  return serving
    .map(({ color, release, replicas, traffic }) => {
      const { requests = 0, failed = 0 } = traffic?.lastMinute ?? {};
      const few = requests < limits.minRequests ? `, too few to judge by (${limits.minRequests})` : '';
      const of = `${replicas.filter(isWell).length} of ${replicas.length} replicas healthy`;
      return `${color} serves ${release}, ${of}, ${requests} requests in the last minute, ${failed} failed${few}`;
    })
    .join('; ');
}

function isWell(replica: ReplicaReport): boolean {
  return replica.state === 'healthy';
}

function describe({ state, detail }: ReplicaReport): string {
  return detail === '' ? state : `${state} (${detail})`;
}

/** One bad answer is not the end: it takes `health.failures` of them to be unhealthy. */
function isUsable({ state }: ReplicaReport): boolean {
  return state === 'healthy' || state === 'failing';
}

/** A replica that is just coming up again says nothing of why. */
function ended({ restarts, state }: ReplicaReport): string {
  if (restarts.recent === 0) return '';
  const how = restarts.lastEnd === '' || state === 'dead' ? '' : `, the one before ${restarts.lastEnd}`;
  return `, started again ${times(restarts.recent)} in the last 5 min${how}`;
}

function unhealthy(reason: string, message: string): Finding {
  return { state: 'unhealthy', reason, message };
}

function degraded(reason: string, message: string): Finding {
  return { state: 'degraded', reason, message };
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
