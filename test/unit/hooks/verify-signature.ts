import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a receiver does: true when the body and its time were signed with the secret. */
export function verifySignature(headers: IncomingHttpHeaders, body: string, secret: string): boolean {
  const signed = `${headers['x-turnout-timestamp']}.${body}`;
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(signed).digest('hex')}`);
  const given = Buffer.from(String(headers['x-turnout-signature']));
  return given.length === expected.length && timingSafeEqual(given, expected);
}
