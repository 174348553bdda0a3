import { connect, type Socket } from 'node:net';
import { Answer, WireError } from './load-answer.ts';
import type { Shot } from './load-mix.ts';

/**
 * Where a request was lost: while connecting, while its bytes went out, while waiting for the head of the answer, within the
 * body; `answer` is one that came whole and is wrong (its status or its body).
 */
export type Phase = 'connect' | 'send' | 'head' | 'body' | 'answer';

export class LostRequest extends Error {
  constructor(
    readonly phase: Phase,
    readonly code: string,
    readonly reused: boolean,
    readonly answer: Answer | null,
  ) {
    super(`${phase}: ${code}`);
  }
}

interface Flight {
  readonly answer: Answer;
  readonly deadline: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: LostRequest) => void;
}

/** One keepalive connection, one request at a time, and never a second try. */
export class Connection {
  readonly #host: string;
  readonly #port: number;
  readonly #timeoutMs: number;
  #socket: Socket | null = null;
  #flight: Flight | null = null;
  #reused = false;

  constructor(host: string, port: number, timeoutMs: number) {
    this.#host = host;
    this.#port = port;
    this.#timeoutMs = timeoutMs;
  }

  /** The last answer came on a connection that had carried others before. */
  get reused(): boolean {
    return this.#reused;
  }

  /** `begins` is called right before the first byte goes out: connecting is not yet part of a request. */
  async exchange(shot: Shot, begins: () => void): Promise<Answer> {
    this.#reused = this.#socket !== null;
    const socket = this.#socket ?? (await this.#open());
    return new Promise((resolve, reject) => {
      this.#flight = { answer: new Answer(shot.body), deadline: performance.now() + this.#timeoutMs, resolve, reject };
      begins();
      if (shot.body === null || shot.body.length === 0) {
        socket.write(shot.head, 'latin1');
        return;
      }
      socket.cork();
      socket.write(shot.head, 'latin1');
      socket.write(shot.body);
      socket.uncork();
    });
  }

  /** Gives up a request that has waited too long. Called from one timer for all connections: a timer per request costs more. */
  checkDeadline(now: number): void {
    if (this.#flight !== null && now > this.#flight.deadline) this.#lose('TIMEOUT');
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#host, port: this.#port, noDelay: true, timeout: this.#timeoutMs });
      const fail = (code: string) => {
        socket.destroy();
        reject(new LostRequest('connect', code, false, null));
      };
      const onError = (error: NodeJS.ErrnoException) => fail(error.code ?? error.message);
      const onTimeout = () => fail('TIMEOUT');
      socket.once('error', onError);
      socket.once('timeout', onTimeout);
      socket.once('connect', () => {
        socket.off('error', onError);
        socket.off('timeout', onTimeout);
        socket.setTimeout(0);
        this.#attach(socket);
        resolve(socket);
      });
    });
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    const current = () => this.#socket === socket;
    socket.on('data', (piece) => current() && this.#receive(piece as Buffer));
    socket.on('end', () => current() && this.#ended('CLOSED'));
    socket.on('error', (error: NodeJS.ErrnoException) => current() && this.#lose(error.code ?? error.message));
    socket.on('close', () => current() && this.#ended('CLOSED'));
  }

  #receive(piece: Buffer): void {
    const flight = this.#flight;
    if (flight === null) {
      // Bytes that nobody asked for. The next request must not take them for its answer.
      this.close();
      return;
    }
    try {
      flight.answer.feed(piece);
    } catch (error) {
      this.#lose(error instanceof WireError ? error.code : String(error));
      return;
    }
    if (flight.answer.done) this.#finish(flight);
  }

  #ended(code: string): void {
    this.#flight?.answer.end();
    if (this.#flight?.answer.done) this.#finish(this.#flight);
    else this.#lose(code);
  }

  #finish(flight: Flight): void {
    // An answer that came before the request had gone out whole leaves the rest of it in the way of the next one.
    if (flight.answer.closes || this.#socket?.writableLength !== 0) this.close();
    this.#flight = null;
    flight.resolve(flight.answer);
  }

  #lose(code: string): void {
    const unsent = (this.#socket?.writableLength ?? 0) > 0;
    this.close();
    const flight = this.#flight;
    this.#flight = null;
    if (flight === null) return;
    const phase = flight.answer.inHead ? (unsent ? 'send' : 'head') : 'body';
    flight.reject(new LostRequest(phase, code, this.#reused, flight.answer));
  }
}
