import { fstatSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

import { restFrom } from '../../clock.ts';
import { LineMatches } from '../line-matches.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { MatchOptions, OutputMatches } from '../runtime.ts';
import { lastLinesFrom } from './log.ts';

/** Milliseconds between two looks. A poll, since fs.watch loses events and costs a watch per file. */
const POLL = 250;
/** Bytes read at most per look: a replica that floods its log must not keep the sidecar busy. */
const FLOOD = 4 * 1024 * 1024;
/** Bytes per read, so that the event loop gets its turn in between. */
const CHUNK = 128 * 1024;

export interface Followed {
  /** Of the log. */
  path: string;
  pattern: RegExp;
  options: MatchOptions;
  /** Where in the log its own output begins; only asked when one looks back. */
  from: () => Promise<number>;
  /** False once nothing more will be written by it. Asked at each look, so it has to be cheap. */
  isAlive: () => boolean;
  /** Called once, when there is nothing more to follow. */
  onEnd: (follower: OutputFollower) => void;
}

/** All are looked at in one turn: to be woken for each of a hundred replicas would cost more than the looks. */
const following = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

function follow(look: () => void): void {
  following.add(look);
  timer ??= nextLook();
}

function nextLook(): NodeJS.Timeout {
  return setTimeout(
    () => {
      timer = nextLook();
      for (const one of following) one();
    },
    restFrom(Date.now(), POLL),
  ).unref();
}

function unfollow(look: () => void): void {
  following.delete(look);
  if (following.size > 0) return;
  clearTimeout(timer);
  timer = undefined;
}

/** Matches what is appended to a log, from its present end (or so many lines before) until the replica is dead and all it wrote has been read. */
export class OutputFollower implements OutputMatches {
  readonly path: string;
  readonly #matches: LineMatches;
  readonly #lines: LineSplitter;
  readonly #followed: Followed;
  /** Kept open, so that a log that is renamed is still followed to where the replica writes. */
  #file: FileHandle | null = null;
  #position: number;
  /** Lines before the present end that are still to be gone back. */
  #back: number;
  /** Where another replica's output begins. */
  #limit = Number.POSITIVE_INFINITY;
  readonly #look = () => this.#lookForMore();
  #reading = false;
  #ended = false;

  constructor(followed: Followed) {
    this.path = followed.path;
    this.#followed = followed;
    this.#matches = new LineMatches(followed.pattern, followed.options.heard);
    this.#lines = new LineSplitter((line) => this.#matches.add(line));
    this.#back = followed.options.back ?? 0;
    this.#position = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
    follow(this.#look);
    // What is there already need not wait.
    if (this.#back > 0) setImmediate(this.#look);
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
    if (this.#ended) return;
    this.#ended = true;
    this.#matches.end();
    unfollow(this.#look);
    if (!this.#reading) this.#close();
    this.#followed.onEnd(this);
  }

  /** The next replica writes into the same file from this byte on. */
  endAt(limit: number): void {
    this.#limit = Math.min(this.#limit, limit);
  }

  /** Without a promise or a thread as long as there is nothing new, which is nearly always. */
  #lookForMore(): void {
    if (this.#reading || this.#ended) return;
    // Asked before the size: what a dead one has written is in the file by then.
    const over = this.#limit !== Number.POSITIVE_INFINITY || !this.#followed.isAlive();
    if (over || !this.#isAllRead()) void this.#readOn(over);
  }

  #isAllRead(): boolean {
    if (!this.#file || this.#back > 0) return false;
    try {
      return fstatSync(this.#file.fd).size === this.#position;
    } catch {
      return false;
    }
  }

  async #readOn(over: boolean): Promise<void> {
    this.#reading = true;
    await this.#read().catch(() => {
      // No such file yet, no descriptor free, a disk that fails: the next look may be luckier.
    });
    if (over) {
      this.#lines.flush();
      this.end();
    }
    this.#reading = false;
    if (this.#ended) this.#close();
  }

  async #read(): Promise<void> {
    this.#file ??= await open(this.path, 'r');
    const { size } = await this.#file.stat();
    const end = Math.min(size, this.#limit);
    if (this.#back > 0) {
      this.#position = await lastLinesFrom(this.#file, await this.#followed.from(), Math.min(this.#position, end), this.#back);
      this.#back = 0;
    }
    if (size < this.#position) {
      // Emptied by somebody: all of it is new, as for a tail.
      this.#lines.flush();
      this.#position = 0;
    }
    if (end - this.#position > FLOOD) {
      // The latest is what one wants to know of a flood.
      this.#matches.skip(end - FLOOD - this.#position);
      this.#position = end - FLOOD;
      this.#lines.tear();
    }
    if (end <= this.#position) return;
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - this.#position));
    while (this.#position < end && !this.#ended) {
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, end - this.#position), this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      this.#lines.push(buffer.subarray(0, bytesRead));
    }
  }

  #close(): void {
    void this.#file?.close().catch(() => {});
    this.#file = null;
  }
}
