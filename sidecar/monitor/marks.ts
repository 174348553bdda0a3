import { type Counts, convict, errors, type Limits, total } from '../../njs/conviction.ts';
import type { Color } from '../../njs/route.ts';
import { BUCKETS, type Traffic } from '../../njs/traffic.ts';
import type { Clock } from '../clock.ts';
import type { Flipped } from '../store/events.ts';
import type { Written } from '../store/journal.ts';
import { type Mark, markOf, quantile, since } from '../watch/counts.ts';
import type { Rates, TrafficReport } from './report.ts';

/** Milliseconds that are judged. */
const MINUTE = 60_000;

interface Moment {
  at: number;
  mark: Mark;
}

/** When traffic came to a color, and what was counted by then as far as that is known. */
export type Switched = Pick<Written<Flipped>, 'at' | 'traffic'>;

/** What the gateway had counted now and then during the last minute. */
export class Marks {
  private moments: Moment[] = [];

  constructor(private readonly clock: Pick<Clock, 'now' | 'date'>) {}

  /** Keeps one from before the minute, so that it is whole. */
  take(traffic: Traffic): void {
    const now = this.clock.now();
    this.moments.push({ at: now, mark: markOf(traffic) });
    const whole = this.moments.findLastIndex((one) => one.at <= now - MINUTE);
    if (whole > 0) this.moments.splice(0, whole);
  }

  /** `switched`: when traffic last came to this color; null: nobody knows. */
  report(traffic: Traffic, color: Color, switched: Switched | null, limits: Limits): TrafficReport {
    const mark = markOf(traffic);
    const age = switched && Math.max(0, this.clock.date().getTime() - Date.parse(switched.at));
    const begin = this.begin(age, switched?.traffic ?? null);
    const counts = since(begin?.mark ?? mark, mark)[color];
    const seconds = begin && begin.mark.epoch === mark.epoch ? (this.clock.now() - begin.at) / 1000 : null;
    const all = switched?.traffic ? since(switched.traffic, mark)[color] : null;
    const known = age !== null && switched?.traffic?.epoch === mark.epoch ? age / 1000 : null;
    return {
      inFlight: traffic.colors[color].inFlight,
      lastMinute: ratesOf(counts, seconds),
      sinceSwitch: all && ratesOf(all, known),
      breach: convict(counts, limits),
    };
  }

  /** A minute ago; or when traffic came to the color, if that was later: what it counted before is of another release. */
  private begin(age: number | null, counted: Mark | null): Moment | null {
    const now = this.clock.now();
    const minute = this.moments.findLast((one) => one.at <= now - MINUTE) ?? this.moments[0] ?? null;
    if (age === null || (minute && minute.at >= now - age)) return minute;
    if (age > MINUTE) return minute;
    if (counted) return { at: now - age, mark: counted };
    return this.moments.find((one) => one.at >= now - age) ?? null;
  }
}

function ratesOf(counts: Counts, seconds: number | null): Rates {
  const requests = total(counts);
  const failed = errors(counts);
  const bound = (share: number) => {
    const found = quantile(counts, BUCKETS, share);
    return found === Number.POSITIVE_INFINITY ? null : found;
  };
  return {
    seconds: seconds === null ? null : round(seconds),
    requests,
    perSecond: seconds === null || seconds <= 0 ? null : round(requests / seconds),
    failed,
    failedShare: requests === 0 ? null : failed / requests,
    failedOver: counts.failedOver,
    p50: bound(0.5),
    p95: bound(0.95),
    p99: bound(0.99),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
