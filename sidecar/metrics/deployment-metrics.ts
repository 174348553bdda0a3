import type { Registry } from 'prom-client';
import { COLORS } from '../../njs/route.ts';
import type { Families } from './families.ts';
import { type Happened, PHASE_BOUNDS, PHASES, RESULTS, SWITCHERS } from './happened.ts';
import { CountedHistogram } from './histogram.ts';
import type { Reading } from './reading.ts';

const STATES = ['starting', 'healthy', 'unhealthy', 'dead'] as const;

/** What the sidecar runs and has done. Whatever is counted stands at 0 before it first happens, so that the first time is an increase. */
export function deploymentMetrics(families: Families, registry: Registry, happened: Happened) {
  const ended = families.counter('turnout_deployments_total', 'Deployments that have ended, by how.', 'service', 'result');
  const phase = families.gauge(
    'turnout_deployment_phase',
    'Whether the running deployment is in this phase (1) or not (0).',
    'service',
    'phase',
  );
  const durations = families.keep(
    new CountedHistogram(
      registry,
      'turnout_deployment_phase_duration_seconds',
      'How long deployments were in a phase that they have left.',
      PHASE_BOUNDS,
    ),
  );
  const switches = families.counter(
    'turnout_switches_total',
    'How often all traffic moved to another color, by whom: a deployment, by hand, or the guard in nginx.',
    'service',
    'by',
  );
  const guardFired = families.counter(
    'turnout_guard_fired_total',
    'How often the guard in nginx has moved traffic back.',
    'service',
  );
  const probes = families.counter('turnout_probes_total', 'Health checks of replicas.', 'service', 'result');
  const drains = families.counter(
    'turnout_drains_total',
    'Colors that were stopped, by why: nothing was in flight any more, or the drain limit had passed.',
    'service',
    'result',
  );
  const replicas = families.gauge('turnout_replicas', 'Replicas by their state.', 'service', 'color', 'state');
  const restarts = families.counter(
    'turnout_replica_restarts_total',
    'How often a replica that had died or was sick was started again.',
    'service',
  );

  return (readings: Reading[]): void => {
    happened.keepOnly(readings.map((one) => one.service));
    for (const { service, deployment, replicas: running } of readings) {
      const tally = happened.of(service);
      for (const result of RESULTS) ended({ service, result }, tally.deployments[result]);
      for (const one of PHASES) {
        phase({ service, phase: one }, deployment?.phase === one ? 1 : 0);
        durations.set({ service, phase: one }, tally.phases[one].counts, tally.phases[one].sum / 1000);
      }
      for (const by of SWITCHERS) switches({ service, by }, tally.switches[by]);
      guardFired({ service }, tally.switches.guard);
      probes({ service, result: 'ok' }, tally.probes.ok);
      probes({ service, result: 'failed' }, tally.probes.failed);
      drains({ service, result: 'quiet' }, tally.drains.quiet);
      drains({ service, result: 'limit' }, tally.drains.limit);
      restarts({ service }, tally.restarts);
      if (!running) continue;
      for (const color of COLORS) {
        const states = running.filter((one) => one.color === color).map((one) => (one.alive ? one.health.state : 'dead'));
        for (const state of STATES) replicas({ service, color, state }, states.filter((one) => one === state).length);
      }
    }
  };
}
