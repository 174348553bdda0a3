import { systemClock } from '../clock.ts';
import type { ApiClient } from './api-client.ts';

/** Wakes whoever shows something as soon as it may have changed. What is shown is always asked anew. */
export class Happenings {
  private readonly ending = new AbortController();
  private arrived = new AbortController();

  /** `query` selects events, as GET /v1/events takes it. */
  constructor(api: ApiClient, query: string) {
    void api.follow(query, () => this.arrived.abort(), this.ending.signal);
  }

  /** Until something has happened since the last wait, so many milliseconds are over, or the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await systemClock.sleep(ms, AbortSignal.any([this.arrived.signal, signal]));
    this.arrived = new AbortController();
  }

  end(): void {
    this.ending.abort();
  }
}
