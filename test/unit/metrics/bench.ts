import type { Guard } from '../../../njs/guard.ts';
import type { Color } from '../../../njs/route.ts';
import { FakeGateway } from '../../../sidecar/gateway/fake.ts';
import { Metrics } from '../../../sidecar/metrics/metrics.ts';
import type { Conducted } from '../../../sidecar/metrics/reading.ts';
import type { JournalEvent } from '../../../sidecar/store/events.ts';
import { applyEvent, emptyRecord } from '../../../sidecar/store/record.ts';
import { type SeenParts, seen } from '../../support/builders.ts';
import { written } from '../../support/builders-record.ts';
import { FakeClock } from '../../support/clock.ts';
import { type Exposition, parseExposition } from '../../support/exposition.ts';

/** A service as far as the metrics look at it. */
export class FakeService implements Conducted {
  record;
  durable = true;
  running: SeenParts[] = [{}];

  constructor(readonly name: string) {
    this.record = emptyRecord(name);
  }

  async replicas() {
    return this.running.map(seen);
  }
}

/** The metrics of some services on a gateway in memory. */
export class Bench {
  readonly clock = new FakeClock();
  readonly gateway: FakeGateway;
  readonly metrics: Metrics;
  services: FakeService[];
  versions = async () => ({ nginx: '1.30.6', njs: '1.0.2' });
  private line = 0;

  constructor(...names: string[]) {
    this.gateway = new FakeGateway(names, 2, this.clock);
    this.services = names.map((name) => new FakeService(name));
    this.metrics = new Metrics({
      conductors: () => this.services,
      gateway: this.gateway,
      clock: this.clock,
      version: '0.1.0',
      versions: () => this.versions(),
    });
  }

  /** All traffic goes to this color; both run what is said, null: nothing. */
  async route(service: string, active: Color, releases: Record<Color, string | null>): Promise<void> {
    const generation = (await this.gateway.route(service))?.generation ?? 0;
    const of = (release: string | null) => ({ slots: release === null ? [] : [1], release, ready: release !== null });
    const weights = active === 'blue' ? { blue: 100, green: 0 } : { blue: 0, green: 100 };
    const colors = { blue: of(releases.blue), green: of(releases.green) };
    await this.gateway.put(service, { active, weights, colors }, { ifMatch: generation, by: 'tester' });
  }

  /** As the recorder does it: into the record, then told. Each so many seconds after the start of 2026. */
  happen(event: JournalEvent, second = 0): void {
    const line = written(event, second, ++this.line);
    const service = this.services.find((one) => one.name === event.service);
    if (service) applyEvent(service.record, line, second * 1000);
    this.metrics.take(line, service?.record.deployments.at(-1) ?? null);
  }

  async scrape(): Promise<Exposition> {
    return parseExposition(await this.metrics.scrape());
  }
}

/** `backend`, live as v1 in blue, green empty. */
export async function bench(): Promise<Bench> {
  const made = new Bench('backend');
  await made.route('backend', 'blue', { blue: 'v1', green: null });
  return made;
}

/** Of the deployment d1, which has brought green. */
export function guardUntil(until: number): Omit<Guard, 'fired'> {
  return {
    service: 'backend',
    deployment: 'd1',
    generation: 1,
    color: 'green',
    fallback: 'blue',
    until,
    limits: { minRequests: 50, maxErrorRate: 0.01, maxP99: null },
    epoch: '1',
    baseline: { finished: {}, durations: [], failedOver: 0 },
  };
}
