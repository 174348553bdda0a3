import type { Clock } from '../../sidecar/clock.ts';

interface Sleeper {
  until: number;
  /** What was asked for. */
  ms: number;
  wake: () => void;
}

/** A clock that stands still until the test moves it. */
export class FakeClock implements Clock {
  private sleepers: Sleeper[] = [];
  private readonly awaiting: (() => void)[] = [];

  constructor(
    private time = 100_000,
    private wall = Date.parse('2026-01-01T12:00:00.000Z'),
  ) {}

  now(): number {
    return this.time;
  }

  date(): Date {
    return new Date(this.wall);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper = { until: this.time + ms, ms, wake: resolve };
      this.sleepers.push(sleeper);
      const wake = () => {
        this.sleepers = this.sleepers.filter((one) => one !== sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      sleeper.wake = wake;
      signal?.addEventListener('abort', wake);
      for (const tell of this.awaiting.splice(0)) tell();
    });
  }

  rest(ms: number, signal?: AbortSignal): Promise<void> {
    return this.sleep(ms, signal);
  }

  /** Both clocks go on, and whoever has slept long enough wakes. */
  advance(ms: number): void {
    this.time += ms;
    this.wall += ms;
    const awake = this.sleepers.filter((one) => one.until <= this.time);
    this.sleepers = this.sleepers.filter((one) => one.until > this.time);
    for (const { wake } of awake) wake();
  }

  /** Only the wall clock goes, forward or back. */
  jump(ms: number): void {
    this.wall += ms;
  }

  /** For how long whoever sleeps now asked to sleep; empty when nobody does. */
  get sleeping(): number[] {
    return this.sleepers.map((one) => one.ms);
  }

  /** Waits until somebody sleeps, and tells for how long. */
  async asleep(): Promise<number> {
    while (this.sleepers.length === 0) await new Promise<void>((resolve) => this.awaiting.push(resolve));
    return this.sleepers[0]!.ms;
  }
}
