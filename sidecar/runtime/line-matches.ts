import type { OutputMatches } from './runtime.ts';

/** Characters of a line that are looked at: more would let one endless line fill the memory. */
export const LINE_LIMIT = 64 * 1024;

/** Counts the lines that match. */
export class LineMatches implements OutputMatches {
  /** A copy: one with /g or /y remembers where it has stopped, and whoever gave it may use it as well. */
  readonly #pattern: RegExp;
  readonly #heard: (line: string) => void;
  #count = 0;
  #last: string | null = null;
  #skippedBytes = 0;
  #ended = false;

  constructor(pattern: RegExp, heard: (line: string) => void = () => {}) {
    this.#pattern = new RegExp(pattern);
    this.#heard = heard;
  }

  get count(): number {
    return this.#count;
  }

  get last(): string | null {
    return this.#last;
  }

  get skippedBytes(): number {
    return this.#skippedBytes;
  }

  add(line: string): void {
    if (this.#ended) return;
    const text = line.length > LINE_LIMIT ? line.slice(0, LINE_LIMIT) : line;
    this.#pattern.lastIndex = 0;
    if (!this.#pattern.test(text)) return;
    this.#count += 1;
    this.#last = text;
    this.#heard(text);
  }

  skip(bytes: number): void {
    if (!this.#ended) this.#skippedBytes += bytes;
  }

  /** From here on nothing changes any more. */
  end(): void {
    this.#ended = true;
  }
}
