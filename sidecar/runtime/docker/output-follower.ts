import { setTimeout as sleep } from 'node:timers/promises';

import { LineMatches } from '../line-matches.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { MatchOptions, OutputMatches } from '../runtime.ts';
import { type Engine, streamEnd } from './engine.ts';
import { type Channel, LogFrames } from './log-frames.ts';

/** Bytes that are looked at per `WINDOW` milliseconds: a replica that floods its log must not keep the sidecar busy. */
const FLOOD = 4 * 1024 * 1024;
const WINDOW = 200;
/** Lines that may have been written between the call and the engine's answer. */
const MEANWHILE = 10_000;
/** Milliseconds until the next attempt when the engine went away. */
const AGAIN = 100;

const SPACE = 0x20;
const NEWLINE = 0x0a;

export interface Followed {
  engine: Engine;
  /** Short id. */
  container: string;
  pattern: RegExp;
  options: MatchOptions;
  /** When its own output began, in milliseconds of the engine's clock. */
  began: number;
  /** False once nothing more will be written by it. */
  isAlive: () => boolean;
  /** From when on the next replica in the same container writes, in milliseconds; null: there is none. */
  nextBegan: () => number | null;
  /** Called once, when there is nothing more to follow. */
  onEnd: (follower: OutputFollower) => void;
}

/** Matches what a container writes from now on (or from so many lines before), until it is dead and all it wrote has been read. */
export class OutputFollower implements OutputMatches {
  readonly container: string;
  /** A stop waits for it. */
  readonly awaited: boolean;
  /** Settles when there is nothing more to follow. */
  readonly done: Promise<void>;
  readonly #followed: Followed;
  readonly #matches: LineMatches;
  readonly #lines: Record<Channel, LineSplitter>;
  readonly #ending = new AbortController();
  /** When the latest line was written, as the engine says: in nanoseconds, and always in as many digits. */
  #latest = '';
  /** Which lines are asked for until the first has come. */
  readonly #first: { since: string; tail: number };
  #window = { begin: 0, bytes: 0 };

  constructor(followed: Followed) {
    this.container = followed.container;
    this.#followed = followed;
    const { back = 0, heard, lastWords = true } = followed.options;
    this.awaited = lastWords;
    this.#matches = new LineMatches(followed.pattern, heard);
    const take = (line: string) => this.#matches.add(line);
    this.#lines = { stdout: new LineSplitter(take), stderr: new LineSplitter(take) };
    this.#first = back > 0 ? { since: seconds(followed.began), tail: back } : { since: seconds(Date.now()), tail: MEANWHILE };
    this.done = this.#follow();
  }

  get count(): number {
    return this.#matches.count;
  }

  get last(): string | null {
    return this.#matches.last;
  }

  get skippedBytes(): number {
    return this.#matches.skippedBytes;
  }

  end(): void {
    this.#matches.end();
    this.#ending.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      // Asked again after the first end: what a dead one has written last may have come too late for the one before.
      const over = !this.#followed.isAlive();
      const part = this.#latest === '' ? this.#first : { since: justAfter(this.#latest), tail: MEANWHILE };
      await this.#read(part).catch(() => {
        // The engine is away, or the container gone: the next turn finds out.
      });
      if (over) break;
      await sleep(AGAIN, undefined, { signal, ref: false }).catch(() => {});
    }
    this.#lines.stdout.flush();
    this.#lines.stderr.flush();
    this.end();
    this.#followed.onEnd(this);
  }

  /** Resolves when the engine has no more to tell: the container has ended, or the engine has. */
  async #read(part: { since: string; tail: number }): Promise<void> {
    const { signal } = this.#ending;
    const options = { follow: true, stdout: true, stderr: true, timestamps: true, ...part, abortSignal: signal };
    const stream = await this.#followed.engine.open(`The output of container ${this.container} cannot be followed`, (docker) =>
      docker.getContainer(this.container).logs(options as { follow: true }),
    );
    const frames = new LogFrames((channel, bytes) => this.#take(channel, bytes));
    stream.on('data', (chunk: Buffer) => frames.push(chunk));
    await streamEnd(stream);
  }

  /** A frame is what the engine has stored at once: its time, a space, and a line or the next part of a long one. */
  #take(channel: Channel, bytes: Buffer): void {
    if (this.#ending.signal.aborted) return;
    const space = bytes.indexOf(SPACE);
    const time = bytes.toString('latin1', 0, space);
    this.#latest = time;
    const next = this.#followed.nextBegan();
    if (next !== null && Date.parse(time) >= next) return;
    const now = performance.now();
    if (now - this.#window.begin > WINDOW) this.#window = { begin: now, bytes: 0 };
    const line = bytes.subarray(space + 1);
    this.#window.bytes += line.length;
    if (this.#window.bytes > FLOOD) {
      this.#matches.skip(line.length);
      if (line.at(-1) === NEWLINE) this.#lines[channel].flush();
      else this.#lines[channel].tear();
    } else {
      this.#lines[channel].push(line);
    }
  }
}

/** As the engine wants them: with a fraction. */
function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/** In the engine's way to say `since`, which includes the moment itself. */
function justAfter(time: string): string {
  const nanoseconds = Math.min(Number(time.slice(20, 29)) + 1, 999_999_999);
  return `${Math.floor(Date.parse(time) / 1000)}.${String(nanoseconds).padStart(9, '0')}`;
}
