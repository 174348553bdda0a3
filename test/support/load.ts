import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './load-answer.ts';
import { type Beginning, ColorExpectation } from './load-colors.ts';
import { Connection, LostRequest } from './load-connection.ts';
import { DEFAULT_MIX, type Mix, type Shot, ShotPlan } from './load-mix.ts';
import { Random } from './load-random.ts';
import { type LoadReport, Tally } from './load-report.ts';

export type { Mix } from './load-mix.ts';
export type { LoadFailure, LoadReport, StaleAnswer } from './load-report.ts';

export interface LoadOptions {
  /** Where the gateway or the application listens, e.g. `http://127.0.0.1:8080`. Plain HTTP on this machine only. */
  origin: string;
  /** Keepalive connections, each with one request at a time. Default 64. */
  connections?: number;
  /** Default 83.5 GET, 15 echo, 1.5 slow. */
  mix?: Mix;
  /** How long a `/slow` request asks the application to wait, in ms. Default 200. */
  slowMs?: number;
  /** Stop by itself after this many requests. Default: only `stop` ends the load. */
  maxRequests?: number;
  /** Makes each connection's row of requests repeatable. Default 1. */
  seed?: number;
  /** A request without a whole answer after this many ms is lost. Default 30,000. */
  timeoutMs?: number;
}

/** After a lost request its connection waits this long, or a dead server would be asked as fast as the machine can. */
const PAUSE_AFTER_LOSS_MS = 20;
const DEADLINE_CHECK_MS = 100;

/** Starts sending at once. See `Load` for telling it about flips and for the report. */
export function startLoad(options: LoadOptions): Load {
  return new Load(options);
}

/** A load under way: requests from many connections, not one of them ever sent twice, every answer checked. */
export class Load {
  readonly #tally = new Tally();
  readonly #colors = new ColorExpectation();
  readonly #maxRequests: number;
  readonly #connections: Connection[] = [];
  #begun = 0;
  #stopping = false;

  /** The report, once `maxRequests` have ended or `stop` was called and the last request has ended. */
  readonly done: Promise<LoadReport>;

  constructor(options: LoadOptions) {
    const { hostname, port, host, protocol } = new URL(options.origin);
    if (protocol !== 'http:' || !/^(127(\.\d+){3}|localhost)$/.test(hostname)) {
      throw new Error(`load goes to this machine only: ${options.origin}`);
    }
    const { connections = 64, mix = DEFAULT_MIX, slowMs = 200, maxRequests = Infinity, seed = 1, timeoutMs = 30_000 } = options;
    this.#maxRequests = maxRequests;
    const pool = new Random(seed).bytes(ShotPlan.poolBytes);
    const runs: Promise<void>[] = [];
    for (let i = 0; i < connections; i++) {
      const connection = new Connection(hostname, Number(port || 80), timeoutMs);
      this.#connections.push(connection);
      runs.push(this.#run(connection, new ShotPlan({ random: new Random(seed + i + 1), pool, host, mix, slowMs })));
    }
    this.done = this.#finish(runs);
  }

  /** Requests that have ended so far, well or not. */
  get total(): number {
    return this.#tally.total;
  }

  /** Of those: lost, or answered wrongly. */
  get failed(): number {
    return this.#tally.failed;
  }

  /** Answers whose color was checked so far. */
  get checked(): number {
    return this.#tally.checked;
  }

  /** A flip to `color` has been acknowledged now: whatever starts from here on must be answered by it. */
  expectColor(color: string): void {
    this.#colors.expectColor(color);
  }

  /** A flip to `color` is being asked for from now on: until `expectColor`, it may answer as well. Call it before asking. */
  flipStarted(color: string): void {
    this.#colors.flipStarted(color);
  }

  /** Switches the check of colors off until the next `expectColor`, for changes whose moment the test doesn't know. */
  anyColor(): void {
    this.#colors.anyColor();
  }

  /** Sends nothing new, waits for the requests in flight, closes the connections. May be called more than once. */
  stop(): Promise<LoadReport> {
    this.#stopSending();
    return this.done;
  }

  #stopSending(): void {
    this.#stopping = true;
    this.#tally.endOfGaps();
  }

  async #run(connection: Connection, plan: ShotPlan): Promise<void> {
    while (!this.#stopping && this.#begun < this.#maxRequests) {
      this.#begun += 1;
      if (this.#begun === this.#maxRequests) this.#stopSending();
      await this.#send(connection, plan.next());
    }
  }

  async #send(connection: Connection, shot: Shot): Promise<void> {
    let beginning: Beginning = this.#colors.began();
    let startedAt = performance.now();
    try {
      const answer = await connection.exchange(shot, () => {
        beginning = this.#colors.began();
        startedAt = performance.now();
      });
      this.#tally.answered(shot, startedAt, answer, connection.reused);
      this.#checkColor(shot, beginning, startedAt, answer);
    } catch (error) {
      if (!(error instanceof LostRequest)) throw error;
      this.#tally.lost(shot, startedAt, error);
      if (!this.#stopping) await sleep(PAUSE_AFTER_LOSS_MS);
    }
  }

  #checkColor(shot: Shot, beginning: Beginning, startedAt: number, answer: Answer): void {
    if (answer.color === null) return;
    const verdict = this.#colors.judge(beginning, answer.color);
    if (verdict === 'unchecked') return;
    this.#tally.checked += 1;
    if (verdict === 'stale') this.#tally.stale(shot, startedAt, beginning.acknowledged?.color ?? '', answer.color);
  }

  async #finish(runs: Promise<void>[]): Promise<LoadReport> {
    const deadlines = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#connections) connection.checkDeadline(now);
    }, DEADLINE_CHECK_MS);
    try {
      await Promise.all(runs);
    } finally {
      clearInterval(deadlines);
      this.#stopping = true;
      for (const connection of this.#connections) connection.close();
    }
    return this.#tally.report();
  }
}
