import type { Log } from '../log.ts';
import type { Delivery } from './webhook-delivery.ts';

type State = 'works' | 'fails' | 'lost';

/** Tells on change only how a webhook does, and never more of its URL than the origin: paths of webhooks are keys. */
export class WebhookHealth {
  private state: State = 'works';
  private overflowing = false;
  /** Deliveries that were lost since it last worked. */
  private lost = 0;

  constructor(
    private readonly log: Log,
    /** Which one: its origin, and its place among the webhooks of the configuration, counted from 1. */
    private readonly facts: { webhook: string; number: number },
  ) {}

  delivered(): void {
    if (this.state !== 'works') this.log.info({ ...this.facts, lost: this.lost }, 'webhook works again');
    this.state = 'works';
    this.lost = 0;
  }

  failed({ event, id }: Delivery, detail: string): void {
    if (this.state !== 'works') return;
    this.state = 'fails';
    this.log.warn({ ...this.facts, event, delivery: id, error: detail }, 'webhook fails; trying again');
  }

  gaveUp({ event, id }: Delivery, detail: string, tries: number): void {
    this.lost++;
    if (this.state === 'lost') return;
    this.state = 'lost';
    this.log.error({ ...this.facts, event, delivery: id, tries, error: detail }, 'webhook delivery given up');
  }

  dropped({ event, id }: Delivery, limit: number): void {
    this.lost++;
    if (this.overflowing) return;
    this.overflowing = true;
    this.log.error({ ...this.facts, event, delivery: id, limit }, 'too many webhook deliveries wait; the oldest are dropped');
  }

  /** Nothing waits any more. */
  caughtUp(): void {
    this.overflowing = false;
  }
}
