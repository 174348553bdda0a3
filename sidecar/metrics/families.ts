import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * Metrics whose values are known whole at each scrape. They are set anew each time, so that what is gone leaves no series
 * behind, and a value that nobody knows is left out instead of told as 0.
 */
export class Families {
  private readonly all: { reset(): void }[] = [];

  constructor(private readonly registry: Registry) {}

  gauge<L extends string>(name: string, help: string, ...labelNames: L[]): (labels: Record<L, string>, value: number) => void {
    const gauge = this.keep(new Gauge({ name, help, labelNames, registers: [this.registry] }));
    return (labels, value) => gauge.set(labels, value);
  }

  /** Told as it stands; the caller answers for its only growing. */
  counter<L extends string>(name: string, help: string, ...labelNames: L[]): (labels: Record<L, string>, value: number) => void {
    const counter = this.keep(new Counter({ name, help, labelNames, registers: [this.registry] }));
    return (labels, value) => counter.inc(labels, value);
  }

  keep<M extends { reset(): void }>(metric: M): M {
    this.all.push(metric);
    return metric;
  }

  reset(): void {
    for (const metric of this.all) metric.reset();
  }
}
