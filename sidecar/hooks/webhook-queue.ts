import type { Clock } from '../clock.ts';
import type { WebhookConfig } from '../config/config.ts';
import { formatDuration } from '../config/duration.ts';
import { backoff } from './backoff.ts';
import type { Send } from './send.ts';
import { type Delivery, deliveryHeaders, makeDelivery } from './webhook-delivery.ts';
import type { WebhookEvent } from './webhook-event.ts';
import type { WebhookHealth } from './webhook-health.ts';
import { judgeError, judgeStatus, type Verdict } from './webhook-verdict.ts';

/** Deliveries that wait behind the one that is under way. */
const LIMIT = 1000;
/** Milliseconds until the status of an answer. */
const TRY_LIMIT = 5000;

export interface QueueParts {
  clock: Clock;
  send: Send;
  /** From 0 to 1. */
  random: () => number;
  health: WebhookHealth;
}

/** The deliveries of one webhook, one after the other in the order of the events. */
export class WebhookQueue {
  private readonly waiting: Delivery[] = [];
  private current: Delivery | null = null;
  private working: Promise<void> = Promise.resolve();
  private readonly dropping = new AbortController();

  constructor(
    private readonly webhook: WebhookConfig,
    private readonly parts: QueueParts,
  ) {}

  add(event: WebhookEvent): void {
    this.waiting.push(makeDelivery(event, this.webhook.format, this.parts.clock.now()));
    if (this.waiting.length > LIMIT) this.parts.health.dropped(this.waiting.shift()!, LIMIT);
    if (!this.current) this.working = this.work();
  }

  /** Settles when nothing waits or is under way. */
  idle(): Promise<void> {
    return this.working;
  }

  /** Ends all work for good, and tells how many deliveries were not acknowledged. */
  drop(): number {
    const left = this.waiting.length + (this.current ? 1 : 0);
    this.waiting.length = 0;
    this.dropping.abort();
    return left;
  }

  private async work(): Promise<void> {
    for (;;) {
      this.current = this.waiting.shift() ?? null;
      if (!this.current) break;
      await this.deliver(this.current);
    }
    this.parts.health.caughtUp();
  }

  private async deliver(delivery: Delivery): Promise<void> {
    const { clock, random, health } = this.parts;
    for (let tries = 1; ; tries++) {
      const verdict = await this.attempt(delivery);
      if (verdict.ok) return health.delivered();
      if (this.dropping.signal.aborted) return;
      const delay = verdict.final ? null : backoff({ tries, age: clock.now() - delivery.since, random: random() });
      if (delay === null) return health.gaveUp(delivery, verdict.detail, tries);
      health.failed(delivery, verdict.detail);
      await clock.sleep(delay, this.dropping.signal);
      if (this.dropping.signal.aborted) return;
    }
  }

  /** Does not rely on the sender's listening to its signal. */
  private async attempt(delivery: Delivery): Promise<Verdict> {
    const { clock, send } = this.parts;
    const over = new AbortController();
    const limit = clock.sleep(TRY_LIMIT, AbortSignal.any([over.signal, this.dropping.signal]));
    try {
      const headers = deliveryHeaders(delivery, this.webhook.secret, clock.date());
      const sent = send(this.webhook.url, { headers, body: delivery.body, signal: over.signal });
      const answer = await Promise.race([sent, limit.then(() => null)]);
      if (answer) return judgeStatus(answer.status);
      return { ok: false, final: false, detail: `gave no answer within ${formatDuration(TRY_LIMIT)}` };
    } catch (error) {
      return judgeError(error);
    } finally {
      over.abort();
    }
  }
}
