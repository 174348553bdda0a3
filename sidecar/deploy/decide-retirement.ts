import type { Color } from '../../njs/route.ts';
import type { Known } from './case.ts';
import { isNamed, replicasOf } from './observed.ts';
import type { Step } from './step.ts';

/** Milliseconds after the switch before a color may stop: the last requests that were sent there are in flight by then. */
const SETTLE = 1000;

/**
 * Drains a color without traffic and stops it: not ready any more, nothing in flight (or the limit passed), out of the
 * route, stopped. The route is left before the stop, so no flip can come between the last look and the signal.
 */
export function retire({ observed, record, config, now, route }: Known, color: Color, reason: string): Step | null {
  const since = record.retiringSince[color];
  if (since === null || route?.colors[color].ready) return { do: 'retire', color, reason };
  const idleSince = record.idleSince[color];
  if (idleSince !== null && now - idleSince < SETTLE) return null;
  if (!observed.quiet[color] && now - since < config.drain.timeout) return null;
  if (isNamed(route, color)) return { do: 'clear', color };
  return { do: 'stop', color, replicas: replicasOf(observed, color).map((one) => one.id) };
}
