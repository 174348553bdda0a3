import { userInfo } from 'node:os';
import { request } from 'undici';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import { isErrorCode, type Problem, TurnoutError } from '../errors.ts';

/** Milliseconds; every call of the API answers at once, waiting is the caller's. */
const PATIENCE = 10_000;

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

  get<T>(path: string): Promise<T> {
    return this.call('GET', path);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.call('POST', path, JSON.stringify(body));
  }

  private async call<T>(method: 'GET' | 'POST', path: string, body?: string): Promise<T> {
    const headers = { authorization: `Bearer ${this.token}`, 'x-turnout-by': `cli ${userName()}` };
    let answer: { statusCode: number; text: string };
    try {
      const { statusCode, body: stream } = await request(`${this.origin}${path}`, {
        method,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(PATIENCE),
        ...(body === undefined ? {} : { body }),
      });
      answer = { statusCode, text: await stream.text() };
    } catch (error) {
      const { name, code, message } = error as NodeJS.ErrnoException;
      const why = name === 'TimeoutError' ? `nothing came within ${PATIENCE} ms` : (code ?? message);
      throw new TurnoutError('sidecar-unreachable', `${this.origin} does not answer: ${why}`, { cause: error });
    }
    if (answer.statusCode < 400) return JSON.parse(answer.text) as T;
    throw asError(answer);
  }
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
