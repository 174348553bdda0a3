const END_OF_HEAD = Buffer.from('\r\n\r\n');
const LONGEST_HEAD = 64 * 1024;
const NOTHING = Buffer.alloc(0);

type Part = 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'done';

/** What the bytes on the wire were, when they were no answer that HTTP/1.1 allows. */
export class WireError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads one HTTP/1.1 answer from the pieces in which it arrives and compares the body, without keeping it, with the one
 * expected. Not a library, because a test that shares the machine with what it measures has to be frugal (CPU per plain
 * request: 21 us with everything that is counted here, bare undici 30 by `dispatch` and 42 by `request`), and because only
 * so is it known when the first byte goes out and in which phase a request was lost.
 */
export class Answer {
  #part: Part = 'head';
  #kept: Buffer = NOTHING;
  #left = 0;
  #received = 0;
  #equal = true;
  readonly #expected: Buffer | null;

  status = 0;
  color: string | null = null;
  /** The server has said, or its way of ending the body means, that this connection takes no further request. */
  closes = false;

  constructor(expected: Buffer | null) {
    this.#expected = expected;
  }

  get done(): boolean {
    return this.#part === 'done';
  }

  /** Nothing of the answer has come yet, or not all of its head. */
  get inHead(): boolean {
    return this.#part === 'head';
  }

  /** Byte for byte what was expected; always true when nothing in particular was. */
  get bodyEqual(): boolean {
    return this.#equal && (this.#expected === null || this.#received === this.#expected.length);
  }

  feed(piece: Buffer): void {
    let data = this.#kept.length === 0 ? piece : Buffer.concat([this.#kept, piece]);
    this.#kept = NOTHING;
    while (data.length > 0) {
      if (this.#part === 'done') throw new WireError('SURPLUS', `${data.length} bytes more than the answer has`);
      const used = this.#take(data);
      if (used === 0) {
        this.#kept = data;
        return;
      }
      data = data.subarray(used);
    }
  }

  /** The server has ended the connection. */
  end(): void {
    if (this.#part === 'until-close') this.#part = 'done';
  }

  /** Consumes what it can of `data`; 0 when it needs more to go on. */
  #take(data: Buffer): number {
    switch (this.#part) {
      case 'head':
        return this.#takeHead(data);
      case 'length':
      case 'chunk-data': {
        const used = Math.min(this.#left, data.length);
        this.#compare(data.subarray(0, used));
        this.#left -= used;
        if (this.#left === 0) this.#part = this.#part === 'length' ? 'done' : 'chunk-end';
        return used;
      }
      case 'until-close':
        this.#compare(data);
        return data.length;
      default:
        return this.#takeLine(data);
    }
  }

  #takeHead(data: Buffer): number {
    const end = data.indexOf(END_OF_HEAD);
    if (end === -1) {
      if (data.length > LONGEST_HEAD) throw new WireError('BAD_HEAD', 'the head has no end');
      return 0;
    }
    const lines = data.toString('latin1', 0, end).split('\r\n');
    const first = lines[0] as string;
    if (!/^HTTP\/1\.[01] \d{3}( |$)/.test(first)) throw new WireError('BAD_HEAD', `no status line: ${first.slice(0, 60)}`);
    this.status = Number(first.slice(9, 12));
    this.closes = first.startsWith('HTTP/1.0');
    this.#readHeaders(lines);
    return end + END_OF_HEAD.length;
  }

  #readHeaders(lines: string[]): void {
    let length: number | null = null;
    let chunked = false;
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i] as string;
      const colon = line.indexOf(':');
      const value = line.slice(colon + 1).trim();
      switch (line.slice(0, colon).toLowerCase()) {
        case 'content-length':
          if (!/^\d+$/.test(value)) throw new WireError('BAD_HEAD', `content-length: ${value}`);
          length = Number(value);
          break;
        case 'transfer-encoding':
          chunked = value.toLowerCase() === 'chunked';
          break;
        case 'connection':
          if (/\bclose\b/i.test(value)) this.closes = true;
          break;
        case 'x-color':
          this.color = value;
          break;
      }
    }
    if (this.status < 200)
      this.#part = 'head'; // an interim answer: the real one follows
    else if (this.status === 204 || this.status === 304) this.#part = 'done';
    else if (chunked) this.#part = 'chunk-size';
    else if (length === null) this.#readUntilClose();
    else this.#readLength(length);
  }

  #readLength(length: number): void {
    this.#left = length;
    this.#part = length === 0 ? 'done' : 'length';
  }

  #readUntilClose(): void {
    this.closes = true;
    this.#part = 'until-close';
  }

  #takeLine(data: Buffer): number {
    const end = data.indexOf('\r\n');
    if (end === -1) {
      if (data.length > LONGEST_HEAD) throw new WireError('BAD_CHUNK', 'a line of the chunked body has no end');
      return 0;
    }
    const line = data.toString('latin1', 0, end);
    if (this.#part === 'chunk-size') {
      if (!/^[0-9a-f]{1,8}\s*(;|$)/i.test(line)) throw new WireError('BAD_CHUNK', `chunk size: ${line.slice(0, 60)}`);
      this.#left = Number.parseInt(line, 16);
      this.#part = this.#left === 0 ? 'trailer' : 'chunk-data';
    } else if (this.#part === 'chunk-end') {
      if (line !== '') throw new WireError('BAD_CHUNK', 'a chunk is longer than its size');
      this.#part = 'chunk-size';
    } else if (line === '') {
      this.#part = 'done';
    }
    return end + 2;
  }

  #compare(piece: Buffer): void {
    const start = this.#received;
    this.#received += piece.length;
    if (this.#expected === null || !this.#equal) return;
    this.#equal = piece.equals(this.#expected.subarray(start, this.#received));
  }
}
