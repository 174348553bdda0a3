import type { Answer } from './load-answer.ts';
import type { LostRequest, Phase } from './load-connection.ts';
import type { Shot } from './load-mix.ts';

/** One request that was lost or answered wrongly. */
export interface LoadFailure {
  method: string;
  path: string;
  /** Size of the request's body. */
  bytes: number;
  phase: Phase;
  /** The error's code: ECONNRESET, CLOSED, TIMEOUT, BAD_HEAD, …; STATUS and WRONG_BODY for whole answers. */
  code: string;
  /** Null when no status line came. */
  status: number | null;
  color: string | null;
  /** The connection had carried other requests before. */
  reused: boolean;
  /** Since the start of the load, in ms: when the request began and when it was lost. */
  startedAtMs: number;
  endedAtMs: number;
}

/** One answer from a color that had no business answering any more. */
export interface StaleAnswer {
  method: string;
  path: string;
  expected: string;
  answered: string;
  startedAtMs: number;
  endedAtMs: number;
}

export interface LoadReport {
  /** Requests that have ended, well or not. */
  total: number;
  /** Lost requests, any status but 200, and wrong bodies. */
  failed: number;
  /** The first 50. */
  failures: LoadFailure[];
  /** Answers of 200 whose body was not the one sent; each is also in `failed`. */
  wrongBodies: number;
  /** The first 20. */
  stale: StaleAnswer[];
  staleCount: number;
  /** Answers whose color was checked. */
  checked: number;
  byColor: { blue: number; green: number; [color: string]: number };
  byStatus: Record<number, number>;
  seconds: number;
  /** Requests that have ended, per second. */
  perSecond: number;
  /** Longest time between two whole answers, from the first one until no new requests were sent any more, in ms. */
  longestGapMs: number;
}

const FAILURES_KEPT = 50;
const STALE_KEPT = 20;

/** Counts while the load runs, and becomes the report. */
export class Tally {
  total = 0;
  failed = 0;
  wrongBodies = 0;
  staleCount = 0;
  checked = 0;
  readonly #failures: LoadFailure[] = [];
  readonly #stale: StaleAnswer[] = [];
  readonly #byColor: LoadReport['byColor'] = { blue: 0, green: 0 };
  readonly #byStatus: Record<number, number> = {};
  readonly #startedAt = performance.now();
  #lastAnswerAt: number | null = null;
  #longestGapMs = 0;
  #measuresGaps = true;

  lost(shot: Shot, startedAt: number, error: LostRequest): void {
    this.total += 1;
    this.#fail(shot, startedAt, error.phase, error.code, error.reused, error.answer);
  }

  answered(shot: Shot, startedAt: number, answer: Answer, reused: boolean): void {
    this.total += 1;
    if (this.#measuresGaps) this.#closeGap();
    this.#byStatus[answer.status] = (this.#byStatus[answer.status] ?? 0) + 1;
    if (answer.color !== null) this.#byColor[answer.color] = (this.#byColor[answer.color] ?? 0) + 1;
    if (answer.status !== 200) {
      this.#fail(shot, startedAt, 'answer', 'STATUS', reused, answer);
    } else if (!answer.bodyEqual) {
      this.wrongBodies += 1;
      this.#fail(shot, startedAt, 'answer', 'WRONG_BODY', reused, answer);
    }
  }

  stale(shot: Shot, startedAt: number, expected: string, answered: string): void {
    this.staleCount += 1;
    if (this.#stale.length >= STALE_KEPT) return;
    const { method, path } = shot;
    this.#stale.push({ method, path, expected, answered, startedAtMs: this.#since(startedAt), endedAtMs: this.#since() });
  }

  /** From now on fewer and fewer requests are under way: longer gaps say nothing about the server. */
  endOfGaps(): void {
    if (this.#measuresGaps && this.#lastAnswerAt !== null) this.#closeGap();
    this.#measuresGaps = false;
  }

  report(): LoadReport {
    const { total, failed, wrongBodies, staleCount, checked } = this;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return {
      total,
      failed,
      failures: this.#failures,
      wrongBodies,
      stale: this.#stale,
      staleCount,
      checked,
      byColor: this.#byColor,
      byStatus: this.#byStatus,
      seconds,
      perSecond: total / seconds,
      longestGapMs: this.#longestGapMs,
    };
  }

  #closeGap(): void {
    const now = performance.now();
    if (this.#lastAnswerAt !== null) this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAnswerAt);
    this.#lastAnswerAt = now;
  }

  #fail(shot: Shot, startedAt: number, phase: Phase, code: string, reused: boolean, answer: Answer | null): void {
    this.failed += 1;
    if (this.#failures.length >= FAILURES_KEPT) return;
    this.#failures.push({
      method: shot.method,
      path: shot.path,
      bytes: shot.body?.length ?? 0,
      phase,
      code,
      status: answer?.status || null,
      color: answer?.color ?? null,
      reused,
      startedAtMs: this.#since(startedAt),
      endedAtMs: this.#since(),
    });
  }

  #since(then = performance.now()): number {
    return Math.round((then - this.#startedAt) * 10) / 10;
  }
}
