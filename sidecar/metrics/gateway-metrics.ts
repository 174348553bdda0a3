import type { Registry } from 'prom-client';
import { COLORS } from '../../njs/route.ts';
import { BUCKETS, type ColorTraffic } from '../../njs/traffic.ts';
import type { Families } from './families.ts';
import { CountedHistogram } from './histogram.ts';
import { type Reading, releaseOf } from './reading.ts';

const CODES = ['1xx', '2xx', '3xx', '4xx', '5xx', '499'];
/** Seconds. */
const BOUNDS = BUCKETS.map((bound) => bound / 1000);

/** What nginx has counted and what its routes say, as it stands there. */
export function gatewayMetrics(families: Families, registry: Registry) {
  const up = families.gauge('turnout_gateway_up', 'Whether the gateway answered this scrape (1) or not (0).', 'service');
  const resets = families.counter(
    'turnout_gateway_resets_total',
    'How often the counters of the gateway were seen to have begun anew, because nginx was restarted.',
    'service',
  );
  const requests = families.counter(
    'turnout_gateway_requests_total',
    'Requests that have ended, by the class of their status; 499: the client gave up.',
    'service',
    'color',
    'code',
  );
  const durations = families.keep(
    new CountedHistogram(
      registry,
      'turnout_gateway_request_duration_seconds',
      'How long requests took from their first to their last byte; the sum is estimated from the buckets.',
      BOUNDS,
    ),
  );
  const failedOver = families.counter(
    'turnout_gateway_failed_over_total',
    'Requests that failed on this color and were answered by the other one.',
    'service',
    'color',
  );
  const inFlight = families.gauge('turnout_gateway_in_flight', 'Requests that are under way.', 'service', 'color');
  const active = families.gauge(
    'turnout_active_color',
    'Whether this color was switched to last (1) or not (0).',
    'service',
    'color',
  );
  const generation = families.gauge('turnout_generation', 'How often the route was changed; 0: there is none.', 'service');
  const release = families.gauge(
    'turnout_release_info',
    'The release that a color runs; always 1.',
    'service',
    'color',
    'release',
  );
  const armed = families.gauge('turnout_guard_armed', 'Whether a guard in nginx watches a switch (1) or not (0).', 'service');
  const epochs = new Epochs();

  return (readings: Reading[], now: Date): void => {
    epochs.keepOnly(readings.map((one) => one.service));
    for (const reading of readings) {
      const { service, gateway } = reading;
      up({ service }, gateway ? 1 : 0);
      resets({ service }, epochs.resets(service, gateway?.traffic.epoch ?? null));
      for (const color of COLORS) {
        const known = releaseOf(reading, color);
        if (known !== null) release({ service, color, release: known }, 1);
      }
      if (!gateway) continue;
      const { route, traffic, guard } = gateway;
      generation({ service }, route?.generation ?? 0);
      armed({ service }, guard && guard.fired === null && now.getTime() < guard.until ? 1 : 0);
      for (const color of COLORS) {
        const counted = traffic.colors[color];
        active({ service, color }, route?.active === color ? 1 : 0);
        for (const code of CODES) requests({ service, color, code }, counted.finished[code] ?? 0);
        durations.set({ service, color }, counted.durations, estimatedSum(counted));
        failedOver({ service, color }, counted.failedOver);
        inFlight({ service, color }, counted.inFlight);
      }
    }
  };
}

/** Each request is taken for the middle of its bucket, those of the last one for its lower bound. Seconds. */
function estimatedSum({ durations }: ColorTraffic): number {
  return durations.reduce((sum, count, bucket) => {
    const below = BOUNDS[bucket - 1] ?? 0;
    return sum + count * ((below + (BOUNDS[bucket] ?? below)) / 2);
  }, 0);
}

/** Counts, service by service, how often the counters have begun anew: in the very scrape that shows it, never before. */
class Epochs {
  private readonly seen = new Map<string, { epoch: string; resets: number }>();

  resets(service: string, epoch: string | null): number {
    const known = this.seen.get(service);
    if (epoch === null) return known?.resets ?? 0;
    const resets = known ? known.resets + (known.epoch === epoch ? 0 : 1) : 0;
    this.seen.set(service, { epoch, resets });
    return resets;
  }

  keepOnly(services: string[]): void {
    for (const service of this.seen.keys()) if (!services.includes(service)) this.seen.delete(service);
  }
}
