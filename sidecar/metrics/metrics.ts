import { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { Ports } from '../deploy/ports.ts';
import type { Deployment } from '../store/deployment.ts';
import type { Written } from '../store/journal.ts';
import { deploymentMetrics } from './deployment-metrics.ts';
import { Families } from './families.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { Happened } from './happened.ts';
import { processMetrics } from './process-metrics.ts';
import { type Conducted, inTime, type ReadGateway, type Reading, read } from './reading.ts';
import type { Versions } from './versions.ts';

export interface MetricsParts {
  /** Those there are now: a reload adds and removes some. */
  conductors: () => readonly Conducted[];
  gateway: ReadGateway;
  /** Of the nginx that answers. */
  versions: () => Promise<Versions>;
  clock: Clock;
  /** Turnout's own. */
  version: string;
}

/** `GET /metrics`: counters of nginx read at that moment, what runs now, and what has happened since this process started. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly happened = new Happened();
  private readonly families = new Families(this.registry);
  private readonly fill: ((readings: Reading[], now: Date) => void)[];
  private readonly build = this.families.gauge('turnout_build_info', 'Versions that run; always 1.', 'version', 'nginx', 'njs');
  private readonly journal = this.families.gauge(
    'turnout_journal_writable',
    'Whether the journal takes lines (1) or not (0): then no deployment is accepted.',
  );
  private versions: Versions = { nginx: '', njs: '' };
  private scraping: Promise<string> | null = null;

  constructor(private readonly parts: MetricsParts) {
    const { families, registry, happened } = this;
    this.fill = [gatewayMetrics(families, registry), deploymentMetrics(families, registry, happened)];
    processMetrics(registry);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Prometheus' text format. Whoever asks while one is being made gets that one: any number of askers cost the gateway one look. */
  scrape(): Promise<string> {
    this.scraping ??= this.make().finally(() => {
      this.scraping = null;
    });
    return this.scraping;
  }

  /** Something has happened; `deployment` is the service's last one, this event included. */
  take(event: Written, deployment: Deployment | null): void {
    this.happened.take(event, deployment);
  }

  /** The same ports, with the service's health checks counted. */
  counting(service: string, ports: Ports): Ports {
    return {
      ...ports,
      check: async (address, health, signal) => {
        const verdict = await ports.check(address, health, signal);
        // Ended by ourselves: it says nothing.
        if (!signal.aborted) this.happened.probed(service, verdict);
        return verdict;
      },
    };
  }

  private async make(): Promise<string> {
    const { gateway, clock, version } = this.parts;
    const conductors = this.parts.conductors();
    const [versions, readings] = await Promise.all([inTime(this.parts.versions(), clock), read(conductors, gateway, clock)]);
    // While nginx is away: the last ones known, or the series would change with every restart.
    if (versions) this.versions = versions;
    this.families.reset();
    for (const fill of this.fill) fill(readings, clock.date());
    this.build({ version, ...this.versions }, 1);
    this.journal({}, conductors.every((one) => one.durable) ? 1 : 0);
    return this.registry.metrics();
  }
}
