/** A small seeded generator (xorshift32): the same seed gives the same requests, so that a loss can be looked for again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds are spread by a large odd factor; xorshift never leaves the state 0.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    for (let i = 0; i < 8; i++) this.word();
  }

  /** 32 bits. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A whole number from 0 to `most`, both included. */
  upTo(most: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * (most + 1));
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.word();
    return Buffer.from(words.buffer, 0, length);
  }
}
