import { userInfo } from 'node:os';
import { createParser } from 'eventsource-parser';
import { request } from 'undici';
import { systemClock } from '../clock.ts';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import { isErrorCode, type Problem, TurnoutError } from '../errors.ts';

/** Milliseconds; every call of the API answers at once, waiting is the caller's. */
const PATIENCE = 10_000;
/** Milliseconds without a sign of life after which a stream of events is dead; the sidecar gives one every 15 s. */
const SILENCE = 40_000;
/** Milliseconds before a broken stream is opened again. */
const AGAIN = 500;

/** The sidecar's API over HTTP. Problems become TurnoutErrors with the code that the sidecar gave. */
export class ApiClient {
  private readonly origin: string;

  constructor(
    address: Address,
    private readonly token: string,
  ) {
    // A sidecar that listens on every address is asked on this machine's own.
    const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.host] ?? address.host;
    this.origin = `http://${formatAddress({ ...address, host })}`;
  }

  /** `patience` in milliseconds, for the few calls that may take longer. */
  get<T>(path: string, patience = PATIENCE): Promise<T> {
    return this.call('GET', path, undefined, patience);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.call('POST', path, JSON.stringify(body));
  }

  /**
   * Calls back whenever something happens that the query selects, until the signal is aborted. A stream that breaks, also by
   * a restart of the sidecar, is opened again and told what it missed. Never rejects: whoever needs certainty asks.
   */
  async follow(query: string, happened: (event: { kind: string }) => void, signal: AbortSignal): Promise<void> {
    let last = '';
    const parser = createParser({
      onEvent: ({ id, data }) => {
        last = id ?? last;
        happened(JSON.parse(data) as { kind: string });
      },
    });
    while (!signal.aborted) {
      try {
        const headers = { ...this.headers(), ...(last === '' ? {} : { 'last-event-id': last }) };
        const { statusCode, body } = await request(`${this.origin}/v1/events?${query}`, {
          headers,
          signal,
          bodyTimeout: SILENCE,
        });
        if (statusCode !== 200) await body.dump();
        else for await (const text of textOf(body)) parser.feed(text);
      } catch {
        // Opened again below.
      }
      parser.reset();
      await systemClock.sleep(AGAIN, signal);
    }
  }

  /** Calls back with each part of an answer as it comes, until its end or the signal, which is no failure. */
  async stream(path: string, arrived: (text: string) => void, signal: AbortSignal): Promise<void> {
    try {
      const { statusCode, body } = await request(`${this.origin}${path}`, { headers: this.headers(), signal, bodyTimeout: 0 });
      if (statusCode >= 400) throw asError({ statusCode, text: await body.text() });
      for await (const text of textOf(body)) arrived(text);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof TurnoutError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      throw new TurnoutError('sidecar-unreachable', `${this.origin} does not answer: ${code ?? message}`, { cause: error });
    }
  }

  private headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}`, 'x-turnout-by': `cli ${userName()}` };
  }

  private async call<T>(method: 'GET' | 'POST', path: string, body?: string, patience = PATIENCE): Promise<T> {
    const headers = this.headers();
    let answer: { statusCode: number; text: string };
    try {
      const { statusCode, body: stream } = await request(`${this.origin}${path}`, {
        method,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(patience),
        ...(body === undefined ? {} : { body }),
      });
      answer = { statusCode, text: await stream.text() };
    } catch (error) {
      const { name, code, message } = error as NodeJS.ErrnoException;
      const why = name === 'TimeoutError' ? `nothing came within ${patience} ms` : (code ?? message);
      throw new TurnoutError('sidecar-unreachable', `${this.origin} does not answer: ${why}`, { cause: error });
    }
    if (answer.statusCode < 400) return JSON.parse(answer.text) as T;
    throw asError(answer);
  }
}

/** undici's bodies come as bytes, whatever encoding they are told; a letter may be cut in two. */
async function* textOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const bytes of body) yield decoder.decode(bytes, { stream: true });
}

function asError({ statusCode, text }: { statusCode: number; text: string }): TurnoutError {
  try {
    const { code, detail, hint } = JSON.parse(text) as Problem;
    if (isErrorCode(code)) return new TurnoutError(code, detail, { hint });
  } catch {
    // Not ours: another program listens there.
  }
  return new TurnoutError(
    'sidecar-unreachable',
    `something that is not Turnout answered with ${statusCode}: ${text.slice(0, 200)}`,
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}
