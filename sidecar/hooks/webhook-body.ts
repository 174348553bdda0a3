import type { WebhookConfig } from '../config/config.ts';
import type { WebhookEvent } from './webhook-event.ts';

/** Characters of a message for a chat. */
const LONGEST = 1000;

/** The body of the POST. */
export function webhookBody(event: WebhookEvent, format: WebhookConfig['format']): string {
  if (format === 'slack') return JSON.stringify({ text: escaped(readable(event)) });
  const { kind, service, deployment, release, previous, color, phase, reason, message, by, at } = event;
  return JSON.stringify({ event: kind, service, deployment, release, previous, color, phase, reason, message, by, at });
}

function readable(event: WebhookEvent): string {
  const { service, release, previous, color, reason, by } = event;
  const message = event.message.length > LONGEST ? `${event.message.slice(0, LONGEST)}...` : event.message;
  const before = previous === null ? '' : `; before: ${previous}`;
  const what =
    event.kind === 'flip'
      ? `traffic moved by hand to ${color} (${release ?? 'unknown release'})`
      : `${release} is ${event.phase} in ${color} (${reason})`;
  return `${service}: ${what}: ${message}${before}; by ${by}`.replaceAll(/\s+/g, ' ');
}

/** These three are all that Slack wants escaped; without them nobody can be summoned by a message (`<!channel>`). */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
