import { setTimeout as sleep } from 'node:timers/promises';
import { type Exposition, familyOf, parseExposition } from './exposition.ts';
import { call } from './http.ts';

/** Scrapes once a second, as Prometheus does, and holds every scrape against the one before. */
export class Scraper {
  readonly taken: Exposition[] = [];
  /** Milliseconds that each took. */
  readonly took: number[] = [];
  /** Counters that went back, in words. */
  readonly wentBack: string[] = [];
  private readonly last = new Map<string, { value: number; resets: number }>();
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(private readonly port: number) {
    this.running = this.run();
    // Told by `stop`; until then it is nobody's.
    this.running.catch(() => undefined);
  }

  /** One more, beside the row. */
  async now(): Promise<Exposition> {
    const { status, body } = await call({ port: this.port, method: 'GET', path: '/metrics' });
    if (status !== 200) throw new Error(`/metrics answered ${status}: ${body}`);
    return parseExposition(body);
  }

  /** Rejects if a scrape has failed. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const begun = performance.now();
    while (!this.stopping.signal.aborted) {
      const started = performance.now();
      const scrape = await this.now();
      this.took.push(performance.now() - started);
      this.compare(scrape);
      this.taken.push(scrape);
      const next = begun + Math.ceil((performance.now() - begun) / 1000) * 1000;
      await sleep(next - performance.now(), undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private compare(scrape: Exposition): void {
    const resets = scrape.values.get('turnout_gateway_resets_total{service="backend"}') ?? 0;
    for (const { name, series, value } of scrape.samples) {
      if (scrape.families.get(familyOf(scrape, name))?.type === 'gauge') continue;
      const before = this.last.get(series);
      // Only what nginx itself has counted may begin anew, and only where that is told.
      const marked = name.startsWith('turnout_gateway_') && (before?.resets ?? 0) < resets;
      if (before && value < before.value && !marked)
        this.wentBack.push(`${series} from ${before.value} to ${value} in scrape ${this.taken.length}`);
      this.last.set(series, { value, resets });
    }
  }
}
