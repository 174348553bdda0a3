/**
 * How every answer leaves: with the identity in its headers, so that a client knows who answered, and with
 * `Connection: close` once the process is draining.
 */
export class Replies {
  #identity;
  draining = false;

  constructor(identityHeaders) {
    this.#identity = identityHeaders;
  }

  /** The flat header list of an answer. Build it once where the answer never changes. */
  headers(...own) {
    return [...this.#identity, ...own];
  }

  jsonHeaders(body, ...own) {
    return this.headers('content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), ...own);
  }

  /** `body` stays a string where it can: node:http then sends head and body in one write. */
  send(res, status, headers, body) {
    this.begin(res, status, headers);
    res.end(body);
  }

  begin(res, status, headers) {
    if (this.draining) res.shouldKeepAlive = false;
    res.writeHead(status, headers);
  }

  json(res, status, value, ...own) {
    const body = `${JSON.stringify(value)}\n`;
    this.send(res, status, this.jsonHeaders(body, ...own), body);
  }
}

/** Runs `act` after `ms`, unless the client has gone away by then. */
export function later(res, ms, act) {
  const timer = setTimeout(act, ms);
  res.on('close', () => clearTimeout(timer));
}
