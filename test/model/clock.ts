import type { Clock } from '../../sidecar/clock.ts';

interface Sleeper {
  until: number;
  wake: () => void;
}

/** Time that goes only when it is told to; whoever sleeps wakes at the right moment and in the right order. */
export class VirtualClock implements Clock {
  private time = 1_000_000;
  private wall = Date.parse('2026-01-01T00:00:00Z');
  private readonly sleepers = new Set<Sleeper>();

  now(): number {
    return this.time;
  }

  date(): Date {
    return new Date(this.wall);
  }

  rest(ms: number, signal?: AbortSignal): Promise<void> {
    return this.sleep(ms, signal);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const sleeper: Sleeper = {
        until: this.time + ms,
        wake: () => {
          this.sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake);
    });
  }

  /** The wall clock alone jumps, as when somebody sets it. */
  jump(ms: number): void {
    this.wall += ms;
  }

  /** Lets `ms` milliseconds pass, sleeper by sleeper, and what each of them does run to its next wait. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = Math.min(...[...this.sleepers].map((one) => one.until));
      if (next > end) break;
      this.pass(Math.max(0, next - this.time));
      for (const sleeper of [...this.sleepers]) if (sleeper.until <= this.time) sleeper.wake();
      await settle();
    }
    this.pass(end - this.time);
  }

  private pass(ms: number): void {
    this.time += ms;
    this.wall += ms;
  }
}

/** Everything that does not wait for time has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
