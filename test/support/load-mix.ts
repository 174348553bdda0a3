import type { Random } from './load-random.ts';

/** Shares of the kinds of requests, as weights; a kind that is left out is never sent. */
export interface Mix {
  /** `GET /` */
  get?: number;
  /** `POST /echo` with a random body: up to 16 KiB, one in fifty up to 1 MiB. */
  echo?: number;
  /** `GET /slow?ms=…`, see `slowMs`. */
  slow?: number;
}

export const DEFAULT_MIX: Mix = { get: 83.5, echo: 15, slow: 1.5 };

/** One request as it goes out. `body` is also what a right answer to it consists of; null: any answer is right. */
export interface Shot {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly head: string;
  readonly body: Buffer | null;
}

const SMALL = 16 * 1024;
const LARGE = 1024 * 1024;
const LARGE_ONE_IN = 50;

/** Decides what each connection asks next. */
export class ShotPlan {
  readonly #random: Random;
  readonly #pool: Buffer;
  readonly #host: string;
  readonly #get: Shot;
  readonly #slow: Shot;
  readonly #bounds: { get: number; echo: number; slow: number };

  /** `pool`: random bytes that bodies are slices of, at least `poolBytes` long; shared by all connections. */
  constructor(options: { random: Random; pool: Buffer; host: string; mix: Mix; slowMs: number }) {
    this.#random = options.random;
    this.#pool = options.pool;
    this.#host = options.host;
    this.#get = plainGet('/', options.host);
    this.#slow = plainGet(`/slow?ms=${options.slowMs}`, options.host);
    const { get = 0, echo = 0, slow = 0 } = options.mix;
    if (!(get >= 0 && echo >= 0 && slow >= 0 && get + echo + slow > 0)) {
      throw new Error('mix: weights must not be negative nor all 0');
    }
    this.#bounds = { get, echo: get + echo, slow: get + echo + slow };
  }

  static poolBytes = 2 * LARGE;

  next(): Shot {
    const dice = (this.#random.word() / 0x1_0000_0000) * this.#bounds.slow;
    if (dice < this.#bounds.get) return this.#get;
    return dice < this.#bounds.echo ? this.#echo() : this.#slow;
  }

  #echo(): Shot {
    const length = this.#random.upTo(this.#random.upTo(LARGE_ONE_IN - 1) === 0 ? LARGE : SMALL);
    const start = this.#random.upTo(this.#pool.length - length);
    const head = `POST /echo HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${length}\r\n\r\n`;
    return { method: 'POST', path: '/echo', head, body: this.#pool.subarray(start, start + length) };
  }
}

function plainGet(path: string, host: string): Shot {
  return { method: 'GET', path, head: `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, body: null };
}
