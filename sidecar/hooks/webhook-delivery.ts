import { createHmac, randomUUID } from 'node:crypto';
import type { WebhookConfig } from '../config/config.ts';
import { webhookBody } from './webhook-body.ts';
import type { WebhookEvent } from './webhook-event.ts';

/** One event on its way to one webhook; the same over all tries, so that a receiver can tell a repetition. */
export interface Delivery {
  id: string;
  event: WebhookEvent['kind'];
  body: string;
  /** Monotonic milliseconds: when it was published. */
  since: number;
}

export function makeDelivery(event: WebhookEvent, format: WebhookConfig['format'], now: number): Delivery {
  return { id: randomUUID(), event: event.kind, body: webhookBody(event, format), since: now };
}

/** Stamped and signed anew for each try: a receiver may refuse old stamps and still take a late retry. */
export function deliveryHeaders(delivery: Delivery, secret: string | null, date: Date): Record<string, string> {
  const stamp = String(Math.floor(date.getTime() / 1000));
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'turnout',
    'x-turnout-event': delivery.event,
    'x-turnout-delivery': delivery.id,
    'x-turnout-timestamp': stamp,
  };
  return secret === null ? headers : { ...headers, 'x-turnout-signature': sign(`${stamp}.${delivery.body}`, secret) };
}

function sign(text: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`;
}
