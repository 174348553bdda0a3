import type { Clock } from '../clock.ts';
import type { WebhookConfig } from '../config/config.ts';
import type { Log } from '../log.ts';
import { type Send, sendByUndici } from './send.ts';
import type { WebhookEvent } from './webhook-event.ts';
import { WebhookHealth } from './webhook-health.ts';
import { WebhookQueue } from './webhook-queue.ts';

/** Milliseconds that deliveries get to end at a stop. */
const GRACE = 2000;

export interface WebhooksParts {
  webhooks: WebhookConfig[];
  clock: Clock;
  log: Log;
  /** Default: undici. */
  send?: Send;
  /** From 0 to 1, spreads the retries. Default: Math.random. */
  random?: () => number;
}

/** Tells other systems what happens here. One that is slow, broken or gone holds up neither deployments nor the other ones. */
export class Webhooks {
  private readonly queues: WebhookQueue[];
  private readonly clock: Clock;
  private readonly log: Log;
  private stopping: Promise<void> | null = null;

  constructor({ webhooks, clock, log, send = sendByUndici, random = Math.random }: WebhooksParts) {
    this.clock = clock;
    this.log = log;
    this.queues = webhooks.map((webhook, index) => {
      const health = new WebhookHealth(log, { webhook: originOf(webhook.url), number: index + 1 });
      return new WebhookQueue(webhook, { clock, send, random, health });
    });
  }

  /** Returns at once and never throws. After stop() it does nothing. */
  publish(event: WebhookEvent): void {
    if (this.stopping) return;
    try {
      for (const queue of this.queues) queue.add(event);
    } catch (error) {
      this.log.error({ event: event.kind, error: (error as Error).message }, 'an event could not be put into words');
    }
  }

  /** What is pending gets 2 s and is dropped then. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    const idle = Promise.all(this.queues.map((queue) => queue.idle()));
    const over = new AbortController();
    await Promise.race([idle, this.clock.sleep(GRACE, over.signal)]);
    over.abort();
    const dropped = this.queues.reduce((sum, queue) => sum + queue.drop(), 0);
    if (dropped > 0) this.log.warn({ dropped }, 'stopped before all webhook deliveries were acknowledged; the rest is dropped');
    await idle;
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'not a URL';
}
