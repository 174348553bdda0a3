import type { Metric, Registry } from 'prom-client';

interface Sample {
  metricName: string;
  labels: Record<string, string | number>;
  value: number;
}

/**
 * A histogram of what somebody else has counted. prom-client's own takes only single observations; this one gives the
 * registry what that one would.
 */
export class CountedHistogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  private samples: Sample[] = [];

  /** `bounds`: upper bounds of the buckets in the base unit; the last bucket has none. */
  constructor(
    registry: Registry,
    readonly name: string,
    readonly help: string,
    private readonly bounds: readonly number[],
  ) {
    registry.registerMetric(this as unknown as Metric);
  }

  /** `counts`: per bucket, not cumulated, one more than there are bounds. */
  set(labels: Record<string, string>, counts: readonly number[], sum: number): void {
    let count = 0;
    for (const [index, le] of [...this.bounds, '+Inf'].entries()) {
      count += counts[index] ?? 0;
      this.samples.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: count });
    }
    this.samples.push({ metricName: `${this.name}_sum`, labels, value: sum });
    this.samples.push({ metricName: `${this.name}_count`, labels, value: count });
  }

  reset(): void {
    this.samples = [];
  }

  async get() {
    const { name, help, type, aggregator, samples } = this;
    return { name, help, type, aggregator, values: samples };
  }
}
