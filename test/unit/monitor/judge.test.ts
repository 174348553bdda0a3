import { describe, expect, test } from 'vitest';
import { judge } from '../../../sidecar/monitor/judge.ts';
import type { Looked, ReplicaReport } from '../../../sidecar/monitor/report.ts';
import { color, looked, MIB, rates, replica, traffic } from './looked.ts';

const dead = { state: 'dead', detail: 'exited with code 1' } as const;
const lives = (recent: number) => ({ total: recent, recent, lastEnd: 'exited with code 1, saying "no"' });
const resources = { cpu: 0.1, memory: 50 * MIB, growth: null };
const withReplicas = (...replicas: Partial<ReplicaReport>[]) =>
  looked({ colors: [color({ replicas: replicas.map((parts, index) => replica({ slot: index + 1, ...parts })) })] });
const needsOperator = (handled: boolean): Looked['deployment'] => {
  return {
    id: 'd1',
    release: 'v2',
    phase: 'needs-operator',
    reason: 'error-rate',
    message: '9 of 50 failed',
    since: '',
    handled,
  };
};

describe('healthy', () => {
  test('is a service that serves and has nothing to complain about, and says how much traffic says so', () => {
    const busy = traffic({ lastMinute: rates({ requests: 6000, failed: 2 }) });
    const { verdict, findings } = judge(looked({ colors: [color({ traffic: busy })] }));
    const message = 'green serves v2, 1 of 1 replicas healthy, 6000 requests in the last minute, 2 failed';
    expect({ verdict, findings }).toEqual({ verdict: { state: 'healthy', reason: 'healthy', message }, findings: [] });
  });

  test('is a service without traffic, and says that so few requests tell nothing', () => {
    expect(judge(looked()).verdict.message).toMatch(/0 requests in the last minute, 0 failed, too few to judge by \(50\)$/);
  });

  test.each<[string, Looked]>([
    [
      'whatever happens in a color without traffic',
      looked({ colors: [color(), color({ color: 'blue', weight: 0, replicas: [replica(dead)] })] }),
    ],
    ['a deployment that never got traffic', looked({ deployment: { ...needsOperator(false)!, phase: 'failed' } })],
    ['a hand that has seen to what needed an operator', looked({ deployment: needsOperator(true) })],
    ['use of just 90 % of a limit', withReplicas({ resources: { cpu: 0.45, memory: 90 * MIB, growth: null } })],
    ['as many error lines as may be', withReplicas({ errors: { total: 900, recent: 5, last: 'ERROR' } })],
    ['two flaps', withReplicas({ checks: { ok: 290, total: 300, flaps: 2 } })],
    ['restarts of long ago', withReplicas({ restarts: { total: 9, recent: 0, lastEnd: 'exited with code 1' } })],
    ['smoke checks that pass', looked({ smoke: { color: 'green', checks: [{ path: '/', ok: true, detail: '' }] } })],
  ])('goes with %s', (_, given) => {
    expect(judge(given)).toMatchObject({ verdict: { state: 'healthy' }, findings: [] });
  });
});

const AWAY = { answers: false, detail: 'it is away' };

describe('the verdict names the fault', () => {
  test.each<[string, string, RegExp, Looked]>([
    [
      'unknown',
      'nothing-seen',
      /^neither .* it is away; it is away$/,
      looked({ gateway: AWAY, runtime: AWAY, active: null, colors: [] }),
    ],
    [
      'unhealthy',
      'gateway-silent',
      /^the gateway does not answer: it is away$/,
      looked({ gateway: AWAY, active: null, colors: [] }),
    ],
    ['unhealthy', 'nothing-live', /^nothing is live$/, looked({ active: null, colors: [] })],
    [
      'unhealthy',
      'no-healthy-replica',
      /^green has no healthy replica: green-1 is dead \(exited with code 1\)$/,
      withReplicas(dead),
    ],
    [
      'unhealthy',
      'no-healthy-replica',
      /green-1 is unhealthy \(answered 503\); green-2 is missing$/,
      withReplicas({ state: 'unhealthy', detail: 'answered 503' }, { state: 'missing' }),
    ],
    ['unhealthy', 'no-healthy-replica', /^green has no healthy replica: none runs$/, withReplicas()],
    [
      'unhealthy',
      'no-healthy-replica',
      /starting, started again once .*, the one before exited with code 1, saying "no"$/,
      withReplicas({ state: 'starting', restarts: lives(1) }),
    ],
    [
      'unhealthy',
      'crash-loop',
      /^crash loop: green-1 was started again 3 times in the last 5 min; the one before exited with code 1, saying "no"$/,
      withReplicas({ restarts: lives(3) }),
    ],
    [
      'unhealthy',
      'error-rate',
      /^green: 9 of 90 failed \(last minute\)$/,
      looked({ colors: [color({ traffic: traffic({ breach: { reason: 'error-rate', message: '9 of 90 failed' } }) })] }),
    ],
    [
      'degraded',
      'runtime-silent',
      /^what runs cannot be told: it is away$/,
      looked({ runtime: AWAY, colors: [color({ replicas: [] })] }),
    ],
    [
      'degraded',
      'replica-unhealthy',
      /^green-2 is unhealthy \(answered 503\); 1 of 2 replicas are healthy$/,
      withReplicas({}, { state: 'unhealthy', detail: 'answered 503' }),
    ],
    ['degraded', 'replica-dead', /^green-1 is dead/, withReplicas(dead, {})],
    ['degraded', 'replica-missing', /^green-2 is missing; 2 of 3/, withReplicas({}, { state: 'missing' }, {})],
    ['degraded', 'replica-failing', /^green-1 is failing \(no answer\)/, withReplicas({ state: 'failing', detail: 'no answer' })],
    ['degraded', 'crash-loop', /^crash loop: green-2/, withReplicas({}, { restarts: lives(4) })],
    [
      'degraded',
      'replica-restarted',
      /^green-1 was started again once in the last 5 min; the one before exited with code 1/,
      withReplicas({ restarts: lives(1) }),
    ],
    [
      'degraded',
      'health-flaps',
      /^green-1 went from healthy to failing 3 times .*290 of 300 checks/,
      withReplicas({ checks: { ok: 290, total: 300, flaps: 3 } }),
    ],
    [
      'degraded',
      'memory',
      /^green-1 uses 95.0 MiB, 95 % of its limit of 100.0 MiB$/,
      withReplicas({ resources: { ...resources, memory: 95 * MIB } }),
    ],
    [
      'degraded',
      'memory-grows',
      /^green-1 uses 50.0 MiB and grows steadily, by 30.0 MiB a minute/,
      withReplicas({ resources: { ...resources, growth: 30 * MIB } }),
    ],
    [
      'degraded',
      'cpu',
      /^green-1 uses 0.48 cores, 96 % of its limit of 0.5$/,
      withReplicas({ resources: { ...resources, cpu: 0.48 } }),
    ],
    [
      'degraded',
      'log-errors',
      /^green-1 wrote 6 error lines in the last minute, 5 may be; the latest: ERROR no$/,
      withReplicas({ errors: { total: 6, recent: 6, last: 'ERROR no' } }),
    ],
    [
      'degraded',
      'p99',
      /^green: slow \(last minute\)$/,
      looked({ colors: [color({ traffic: traffic({ breach: { reason: 'p99', message: 'slow' } }) })] }),
    ],
    [
      'degraded',
      'smoke',
      /^a smoke check of green fails: GET \/ answered 500$/,
      looked({ smoke: { color: 'green', checks: [{ path: '/', ok: false, detail: 'GET / answered 500' }] } }),
    ],
    [
      'degraded',
      'needs-operator',
      /^deployment d1 needs an operator: 9 of 50 failed$/,
      looked({ deployment: needsOperator(false) }),
    ],
  ])('%s, %s', (state, reason, says, given) => {
    const { verdict } = judge(given);
    expect(verdict).toMatchObject({ state, reason });
    expect(verdict.message).toMatch(says);
  });
});

test('the worst wins, and everything else that is wrong stands behind it', () => {
  const sick = { ...dead, errors: { total: 9, recent: 9, last: 'ERROR no' } };
  const { verdict, findings } = judge({ ...withReplicas(sick), deployment: needsOperator(false) });
  expect(verdict.reason).toBe('no-healthy-replica');
  expect(findings.map((one) => one.reason)).toEqual(['no-healthy-replica', 'log-errors', 'needs-operator']);
});

test('what is worse in another color stands before what is less bad in the first', () => {
  const hungry = replica({ name: 'blue-1', resources: { ...resources, memory: 99 * MIB } });
  const blue = color({ color: 'blue', weight: 50, replicas: [hungry] });
  const failing = color({ weight: 50, traffic: traffic({ breach: { reason: 'error-rate', message: '9 of 90 failed' } }) });
  expect(judge(looked({ colors: [blue, failing] })).findings.map((one) => one.reason)).toEqual(['error-rate', 'memory']);
});

test('both colors of a split are judged', () => {
  const blue = color({ color: 'blue', weight: 50, replicas: [replica({ name: 'blue-1', ...dead })] });
  expect(judge(looked({ colors: [blue, color({ weight: 50 })] })).verdict.message).toMatch(/^blue has no healthy replica/);
});
