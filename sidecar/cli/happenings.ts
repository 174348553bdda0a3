import { systemClock } from '../clock.ts';
import type { ApiClient } from './api-client.ts';

/** Wakes whoever shows something as soon as it may have changed. What is shown is always asked anew. */
export class Happenings {
  private readonly ending = new AbortController();
  /** Something has happened since the last wait. */
  private arrived = false;
  private wake: () => void = () => undefined;

  /** `query` selects events, as GET /v1/events takes it. */
  constructor(api: ApiClient, query: string) {
    const happened = () => {
      this.arrived = true;
      this.wake();
    };
    void api.follow(query, happened, this.ending.signal);
  }

  /** Until something has happened since the last wait, so many milliseconds are over, or the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.wake = () => woken.abort();
    signal.addEventListener('abort', this.wake);
    if (this.arrived || signal.aborted) woken.abort();
    await systemClock.sleep(ms, woken.signal);
    signal.removeEventListener('abort', this.wake);
    this.arrived = false;
  }

  end(): void {
    this.ending.abort();
  }
}
