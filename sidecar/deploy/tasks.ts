import type { TaskName } from './observed.ts';

/** What runs in the background for one service: at most one check, warm-up or hook at a time. */
export class Tasks {
  private present: { name: TaskName; abort: AbortController; done: Promise<void> } | null = null;

  constructor(private readonly onEnd: () => void) {}

  get busy(): TaskName | null {
    return this.present?.name ?? null;
  }

  /** Does nothing while another one runs. `work` must not reject. */
  start(name: TaskName, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.present) return;
    const abort = new AbortController();
    const done = work(abort.signal).finally(() => {
      this.present = null;
      this.onEnd();
    });
    this.present = { name, abort, done };
  }

  /** Ends what runs now and waits for it. */
  async abort(): Promise<void> {
    const { present } = this;
    present?.abort.abort();
    await present?.done.catch(() => undefined);
  }
}
