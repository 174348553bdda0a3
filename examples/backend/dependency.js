/** How long one check may take, in ms: connecting, asking and being answered together. */
const LIMIT_MS = 1000;
/** Less than the limit, so that a connection that was never made is closed by its library before we let go of it. */
export const CONNECT_LIMIT_MS = 900;

/**
 * A server that this release can't do without. One connection is made at the first check and kept; when it is lost, or gave
 * no answer in time, the next check makes a new one, so that nothing runs between checks and no outage has to be noticed to end.
 *
 * `open(lost)` begins a connection and returns `{ ask, close }`; it calls `lost` when the connection has gone by itself.
 */
export class Dependency {
  #name;
  #open;
  #secrets;
  #connection = null;
  #checking = null;
  #healthy = true;

  constructor(name, url, open) {
    this.#name = name;
    this.#open = open;
    this.#secrets = secretsOf(url);
  }

  /** "healthy" or "unhealthy"; never rejects. Whoever asks while a check is under way gets that one's result. */
  check() {
    this.#checking ??= this.#ask().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  async #ask() {
    try {
      this.#connection ??= this.#connect();
      await within(LIMIT_MS, this.#connection.ask());
      this.#tell(true, 'healthy again');
      return 'healthy';
    } catch (error) {
      this.#drop();
      this.#tell(false, `unhealthy: ${this.#reason(error)}`);
      return 'unhealthy';
    }
  }

  #connect() {
    const connection = this.#open(() => {
      if (this.#connection === connection) this.#connection = null;
    });
    return connection;
  }

  #drop() {
    try {
      this.#connection?.close();
    } catch {
      // What can't even be closed is gone all the same.
    }
    this.#connection = null;
  }

  /** One line a change, not one a check. */
  #tell(healthy, what) {
    if (healthy !== this.#healthy) process.stderr.write(`${this.#name} is ${what}\n`);
    this.#healthy = healthy;
  }

  #reason(error) {
    // Several addresses refused at once have no message of their own, only a code.
    const text = String(error?.message || error?.code || error);
    return this.#secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text).split('\n', 1)[0];
  }
}

async function within(ms, answer) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([answer, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** What of a URL must not be shown, whatever a library or a server puts into its messages. */
function secretsOf(url) {
  const password = /^[^/]*\/\/[^/?#]*?:([^/?#]*)@/.exec(url)?.[1] || /[?&]password=([^&#]*)/.exec(url)?.[1];
  if (!password) return [url];
  try {
    return [url, password, decodeURIComponent(password)];
  } catch {
    return [url, password];
  }
}
