import { LINE_LIMIT } from './line-matches.ts';

const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines, and keeps no more of a line than is looked at. */
export class LineSplitter {
  readonly #take: (line: string) => void;
  /** The begin of a line whose end has not been seen. Bytes: a character may lie across two reads. */
  #begun: Buffer[] = [];
  #length = 0;
  #torn = false;

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  /** The bytes are copied where they are kept. */
  push(bytes: Buffer): void {
    let from = 0;
    for (;;) {
      const to = bytes.indexOf(NEWLINE, from);
      if (to === -1) break;
      this.#keep(bytes.subarray(from, to));
      if (!this.#torn) this.#emit();
      this.#forget();
      from = to + 1;
    }
    this.#keep(bytes.subarray(from));
  }

  /** Nothing more will come of the line that has begun: what there is of it counts as one. */
  flush(): void {
    if (this.#length > 0) this.#emit();
    this.#forget();
  }

  /** Bytes have been left out: what comes next is the end of a line whose begin nobody has seen. */
  tear(): void {
    this.flush();
    this.#torn = true;
  }

  #keep(bytes: Buffer): void {
    const part = bytes.subarray(0, LINE_LIMIT - this.#length);
    if (this.#torn || part.length === 0) return;
    this.#begun.push(Buffer.from(part));
    this.#length += part.length;
  }

  #emit(): void {
    this.#take(Buffer.concat(this.#begun).toString('utf8'));
  }

  #forget(): void {
    this.#begun = [];
    this.#length = 0;
    this.#torn = false;
  }
}
