import { collectDefaultMetrics, type Registry } from 'prom-client';

/**
 * Not told: gauges whose names end as counters' do, one series per kind of handle, and figures of the event loop that are
 * no number while it has not been measured yet.
 */
const LEFT_OUT =
  /^nodejs_(active_(resources|handles|requests)(_total)?|eventloop_lag_(min|mean|stddev|p50|p90)_seconds|heap_space_size_.*)$/;

/** prom-client's own metrics of this process, under the names that everybody's dashboards know. */
export function processMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const { name } of registry.getMetricsAsArray()) if (LEFT_OUT.test(name)) registry.removeSingleMetric(name);
}
