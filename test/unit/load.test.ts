import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type LoadOptions, startLoad } from '../support/load.ts';
import { Answer } from '../support/load-answer.ts';
import { ColorExpectation } from '../support/load-colors.ts';

const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  servers.push({ server, sockets });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** `n` counts the requests from 1; `body` is complete. */
type Behaviour = (seen: { n: number; req: IncomingMessage; res: ServerResponse; body: Buffer }) => void;

function serve(behave: Behaviour): Promise<string> {
  let n = 0;
  return listen(
    createServer(async (req, res) => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of req) chunks.push(chunk as Buffer);
      } catch {
        return; // the client went away within its upload
      }
      n += 1;
      behave({ n, req, res, body: Buffer.concat(chunks) });
    }),
  );
}

/** Sends the given bytes for every request head it sees, then does `then`. */
function serveBytes(answer: string, then: (socket: Socket) => void = () => {}): Promise<string> {
  return listen(
    createTcpServer((socket) => {
      socket.on('data', () => {
        socket.write(answer);
        then(socket);
      });
    }),
  );
}

const right: Behaviour = ({ res, body }) => {
  res.setHeader('x-color', 'blue');
  res.end(body);
};

/** One connection that only asks `GET /`: what happens to it is then exact. */
const one: Partial<LoadOptions> = { connections: 1, mix: { get: 1 } };

function run(origin: string, options: Partial<LoadOptions> = {}) {
  return startLoad({ origin, connections: 8, maxRequests: 200, slowMs: 10, ...options }).done;
}

describe('a load', () => {
  it('finds nothing wrong with a server that is right, and sends exactly as many requests as told', async () => {
    let seen = 0;
    const report = await run(
      await serve((request) => {
        seen += 1;
        right(request);
      }),
      { maxRequests: 500 },
    );
    expect(report).toMatchObject({ total: 500, failed: 0, failures: [], wrongBodies: 0, staleCount: 0, checked: 0 });
    expect(report.byStatus).toEqual({ 200: 500 });
    expect(report.byColor).toEqual({ blue: 500, green: 0 });
    expect(report.perSecond).toBeCloseTo(500 / report.seconds, 5);
    expect(seen).toBe(500);
  });

  it('sends all kinds of the mix, with large bodies among the small, and the same again for the same seed', async () => {
    const requestsOf = async (seed: number) => {
      const seen: { request: string; length: number; digest: string }[] = [];
      const origin = await serve((request) => {
        const { req, body } = request;
        const digest = createHash('sha256').update(body).digest('hex');
        seen.push({ request: `${req.method} ${req.url}`, length: body.length, digest });
        right(request);
      });
      await run(origin, { connections: 1, maxRequests: 400, mix: { get: 5, echo: 90, slow: 5 }, slowMs: 1, seed });
      return seen;
    };
    const [first, again, other] = [await requestsOf(1), await requestsOf(1), await requestsOf(2)];
    expect(new Set(first.map(({ request }) => request))).toEqual(new Set(['GET /', 'POST /echo', 'GET /slow?ms=1']));
    const lengths = first.map(({ length }) => length);
    expect(new Set(lengths).size).toBeGreaterThan(200);
    const large = lengths.filter((length) => length > 16 * 1024);
    expect(large.length).toBeGreaterThan(2);
    expect(large.length).toBeLessThan(20);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('reports a reset with method, phase and code, and asks only once', async () => {
    let echoed = 0;
    const report = await run(
      await serve((request) => {
        if (request.req.method === 'POST') echoed += 1;
        if (request.n % 10 === 0) request.req.socket.resetAndDestroy();
        else right(request);
      }),
      { mix: { echo: 1 } },
    );
    expect(report).toMatchObject({ total: 200, failed: 20 });
    expect(echoed).toBe(200);
    expect(report.failures).toHaveLength(20);
    expect(report.failures[0]).toMatchObject({ method: 'POST', path: '/echo', phase: 'head', code: 'ECONNRESET', status: null });
    expect(report.failures.some(({ bytes }) => bytes > 0)).toBe(true);
  });

  it('counts a connection that the server closes without an answer', async () => {
    const report = await run(await serve(({ req }) => req.socket.end()), { ...one, maxRequests: 2 });
    expect(report).toMatchObject({ total: 2, failed: 2, byStatus: {} });
    expect(report.failures[0]).toMatchObject({ phase: 'head', code: 'CLOSED', reused: false });
  });

  it('counts a keepalive connection that is closed just as the next request goes out', async () => {
    const report = await run(
      await serve(({ n, req, res }) => {
        if (n % 2 === 0) req.socket.destroy();
        else res.end('x');
      }),
      { ...one, maxRequests: 2 },
    );
    expect(report).toMatchObject({ total: 2, failed: 1 });
    expect(report.failures[0]).toMatchObject({ reused: true });
  });

  it('takes Connection: close on a whole answer as no failure, and connects again', async () => {
    let connections = 0;
    const origin = await serve((request) => {
      request.res.setHeader('connection', 'close');
      right(request);
    });
    servers[0]?.server.on('connection', () => (connections += 1));
    expect(await run(origin, { maxRequests: 50 })).toMatchObject({ total: 50, failed: 0 });
    expect(connections).toBe(50);
  });

  it.each<[string, (body: Buffer) => Buffer]>([
    ['one byte changed', (body) => Buffer.concat([body.subarray(0, -1), Buffer.from([(body.at(-1) as number) ^ 1])])],
    ['one byte missing', (body) => body.subarray(1)],
    ['one byte more', (body) => Buffer.concat([body, body.subarray(0, 1)])],
    ['no body', () => Buffer.alloc(0)],
  ])('sees a wrong body: %s', async (_what, spoil) => {
    const report = await run(await serve(({ n, res, body }) => res.end(n % 4 === 0 && body.length > 1 ? spoil(body) : body)), {
      mix: { echo: 1 },
      maxRequests: 100,
    });
    expect(report.wrongBodies).toBeGreaterThan(20);
    expect(report.failed).toBe(report.wrongBodies);
    expect(report.failures[0]).toMatchObject({ phase: 'answer', code: 'WRONG_BODY', status: 200 });
  });

  it('counts every status but 200 as failed, and keeps the first 50', async () => {
    const report = await run(
      await serve(({ n, res, body }) => {
        res.statusCode = n % 2 === 0 ? 500 : n % 5 === 0 ? 204 : 200;
        res.end(body);
      }),
    );
    expect(report).toMatchObject({ total: 200, failed: 120, byStatus: { 200: 80, 204: 20, 500: 100 } });
    expect(report.failures).toHaveLength(50);
    expect(report.failures[0]).toMatchObject({ phase: 'answer', code: 'STATUS' });
  });

  it('counts an answer that ends before its length', async () => {
    const report = await run(await serveBytes('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', (socket) => socket.end()), {
      ...one,
      maxRequests: 3,
    });
    expect(report).toMatchObject({ failed: 3, byStatus: {} });
    expect(report.failures[0]).toMatchObject({ phase: 'body', code: 'CLOSED', status: 200 });
  });

  it.each([
    ['more bytes than its length says', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab', 'SURPLUS'],
    ['no HTTP at all', 'SSH-2.0-turnout\r\n\r\n', 'BAD_HEAD'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'BAD_CHUNK'],
  ])('counts an answer with %s', async (_what, bytes, code) => {
    const report = await run(await serveBytes(bytes), { ...one, maxRequests: 2 });
    expect(report.failed).toBe(2);
    expect(report.failures[0]).toMatchObject({ code });
  });

  it('gives up on an answer that does not come', async () => {
    const report = await run(await serve(() => {}), { ...one, maxRequests: 1, timeoutMs: 100 });
    expect(report.failures[0]).toMatchObject({ phase: 'head', code: 'TIMEOUT' });
  });

  it('counts a server that is not there, without asking as fast as it can', async () => {
    const origin = await serve(right);
    await new Promise((resolve) => servers.pop()?.server.close(resolve));
    const load = startLoad({ origin, connections: 1 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const report = await load.stop();
    expect(report.failures[0]).toMatchObject({ phase: 'connect', code: 'ECONNREFUSED' });
    expect(report.total).toBe(report.failed);
    expect(report.total).toBeLessThan(15);
  });

  it('sends to this machine only', () => {
    expect(() => startLoad({ origin: 'http://example.com' })).toThrow('this machine only');
    expect(() => startLoad({ origin: 'http://127.example.com' })).toThrow('this machine only');
  });

  it('lets the requests in flight end when it is stopped, and says the same when it is stopped again', async () => {
    let answered = 0;
    const origin = await serve((request) =>
      setTimeout(() => {
        answered += 1;
        right(request);
      }, 100),
    );
    const load = startLoad({ origin, connections: 5 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(load.total).toBe(0);
    const report = await load.stop();
    expect(report).toMatchObject({ total: 5, failed: 0 });
    expect(answered).toBe(5);
    expect(await load.stop()).toBe(report);
  });

  it('measures the longest time without any answer', async () => {
    const origin = await serve(({ n, res }) => {
      setTimeout(() => res.end('x'), n === 20 ? 300 : 0);
    });
    const report = await run(origin, { ...one, maxRequests: 40 });
    expect(report.longestGapMs).toBeGreaterThan(295);
    expect(report.longestGapMs).toBeLessThan(1000);
  });

  it('measures a silence that lasts until the stop', async () => {
    const origin = await serve(({ n, res }) => {
      setTimeout(() => res.end('x'), n === 20 ? 400 : 0);
    });
    const load = startLoad({ origin, ...one });
    while (load.total < 19) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect((await load.stop()).longestGapMs).toBeGreaterThan(200);
  });
});

describe('a load that is told about flips', () => {
  /** A server whose color can be set, and which can keep an answer back after it has decided its color. */
  async function colored() {
    const state = { color: 'blue', waitMs: 0 };
    const origin = await serve(({ res }) => {
      res.setHeader('x-color', state.color);
      setTimeout(() => res.end('x'), state.waitMs);
    });
    return { state, origin };
  }

  const some = async (load: { total: number }, more = 20) => {
    const enough = load.total + more;
    while (load.total < enough) await new Promise((resolve) => setTimeout(resolve, 1));
  };

  it('finds no stale answer when the server flips before it acknowledges', async () => {
    const { state, origin } = await colored();
    const load = startLoad({ origin, connections: 8, mix: { get: 1 } });
    load.expectColor('blue');
    for (const color of ['green', 'blue', 'green']) {
      await some(load);
      load.flipStarted(color);
      await some(load);
      state.color = color;
      await some(load);
      load.expectColor(color);
    }
    await some(load);
    const report = await load.stop();
    expect(report).toMatchObject({ failed: 0, staleCount: 0, stale: [] });
    expect(report.byColor.green).toBeGreaterThan(0);
    expect(report.checked).toBeGreaterThan(report.total - 20);
  });

  it('reports every answer of the old color to a request that started after the acknowledgment, and keeps 20', async () => {
    const { origin } = await colored();
    const load = startLoad({ origin, ...one });
    load.expectColor('blue');
    await some(load);
    load.flipStarted('green');
    load.expectColor('green'); // which is not true
    await some(load, 40);
    const report = await load.stop();
    expect(report.staleCount).toBeGreaterThan(35);
    expect(report.stale).toHaveLength(20);
    expect(report.stale[0]).toMatchObject({ method: 'GET', path: '/', expected: 'green', answered: 'blue' });
    expect(report.failed).toBe(0);
  });

  it('reports a color that answers before its flip was asked for', async () => {
    const { state, origin } = await colored();
    const load = startLoad({ origin, ...one });
    load.expectColor('blue');
    await some(load);
    state.color = 'green';
    await some(load);
    expect((await load.stop()).staleCount).toBeGreaterThan(10);
  });

  it('lets a request that was in flight at the flip be answered by the old color', async () => {
    const { state, origin } = await colored();
    state.waitMs = 150;
    const load = startLoad({ origin, connections: 4, mix: { get: 1 } });
    load.expectColor('blue');
    await new Promise((resolve) => setTimeout(resolve, 75));
    load.flipStarted('green');
    state.color = 'green';
    load.expectColor('green');
    await some(load, 8);
    expect(await load.stop()).toMatchObject({ staleCount: 0, checked: 12, byColor: { blue: 4, green: 8 } });
  });

  it('checks nothing while any color will do', async () => {
    const { state, origin } = await colored();
    const load = startLoad({ origin, ...one });
    load.expectColor('blue');
    await some(load);
    load.anyColor();
    state.color = 'green';
    await some(load);
    const unchecked = load.total - load.checked;
    load.expectColor('green');
    await some(load);
    const report = await load.stop();
    expect(unchecked).toBeGreaterThan(15);
    expect(report.staleCount).toBe(0);
    expect(report.checked).toBeGreaterThan(30);
  });
});

describe('the expectation of a color', () => {
  /** Tells the events in a row; `ask` starts a request, `blue` or `green` is the answer to the oldest one. */
  function verdicts(story: string): string[] {
    const colors = new ColorExpectation();
    const asked: ReturnType<ColorExpectation['began']>[] = [];
    const given: string[] = [];
    for (const word of story.split(' ')) {
      const [act, color = ''] = word.split(':');
      if (act === 'ack') colors.expectColor(color);
      else if (act === 'flip') colors.flipStarted(color);
      else if (act === 'any') colors.anyColor();
      else if (act === 'ask') asked.push(colors.began());
      else given.push(colors.judge(asked.shift() as ReturnType<ColorExpectation['began']>, act as string));
    }
    return given;
  }

  it.each([
    ['nothing is expected at first', 'ask blue ask green', 'unchecked unchecked'],
    ['a request from before the first acknowledgment is not checked', 'ask ack:blue green', 'unchecked'],
    ['the acknowledged color is right', 'ack:blue ask blue', 'right'],
    ['another color is stale', 'ack:blue ask green', 'stale'],
    ['after a flip the new color is right', 'ack:blue flip:green ack:green ask green', 'right'],
    ['after a flip the old color is stale', 'ack:blue flip:green ack:green ask blue', 'stale'],
    ['while a flip is under way either is right', 'ack:blue flip:green ask ask blue green', 'right right'],
    ['so it is for a request that was in flight when it started', 'ack:blue ask ask flip:green blue green', 'right right'],
    ['a request of the flip may end late with the old color', 'ack:blue flip:green ask ack:green blue', 'right'],
    ['a request of the flip may end late with the new color', 'ack:blue flip:green ask ack:green green', 'right'],
    ['a request from before the flip may end after it', 'ack:blue ask flip:green ack:green blue', 'right'],
    ['a request of one color may end after the flip to the next', 'ack:green ask flip:blue ack:blue green', 'right'],
    ['a flip back excuses the old color once it has started', 'ack:blue flip:green ack:green ask flip:blue blue', 'right'],
    ['but not before it has', 'ack:blue flip:green ack:green ask blue flip:blue', 'stale'],
    ['a flip from before the last acknowledgment excuses nothing', 'ack:green flip:blue ack:blue ack:green ask blue', 'stale'],
    ['nor does it when the same color is acknowledged again', 'ack:blue flip:green ack:blue ask green', 'stale'],
    ['a flip toward one color does not excuse a third', 'ack:blue flip:green ask red', 'stale'],
    ['a flip to the color that serves excuses no other', 'ack:blue flip:blue ask green', 'stale'],
    ['a later flip to it does not forget an earlier one', 'ack:blue flip:green ask flip:blue green', 'right'],
    ['any color is right until the next acknowledgment', 'ack:blue any ask green ask blue', 'unchecked unchecked'],
    ['a request that ends in that time is not checked', 'ack:blue ask any green', 'unchecked'],
    ['a request that starts in that time is not checked', 'ack:blue any ask ack:green blue', 'unchecked'],
    ['a request around all of it is not checked', 'ack:blue ask any ack:blue green', 'unchecked'],
    ['a request after it is', 'ack:blue any ack:blue ask green', 'stale'],
    ['a flip from that time excuses nothing later', 'ack:blue any flip:green ack:blue ask green', 'stale'],
    ['a flip alone does not end that time', 'ack:blue any flip:green ask blue', 'unchecked'],
  ])('%s', (_what, story, expected) => {
    expect(verdicts(story)).toEqual(expected.split(' '));
  });
});

describe('the reading of an answer', () => {
  const body = Buffer.from('turnout: 0123456789');
  const plain = `HTTP/1.1 200 OK\r\nX-Color: green\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const chunked =
    'HTTP/1.1 200 OK\r\nx-color: green\r\nTransfer-Encoding: chunked\r\n\r\n' +
    `9;note=1\r\n${body.subarray(0, 9)}\r\nA\r\n${body.subarray(9)}\r\n0\r\nTrailer: 1\r\n\r\n`;

  it.each([
    ['with a length', plain],
    ['in chunks', chunked],
    ['after an interim one', `HTTP/1.1 100 Continue\r\n\r\n${plain}`],
  ])('takes one %s, wherever it is cut', (_what, text) => {
    const bytes = Buffer.from(text);
    for (let cut = 1; cut < bytes.length; cut++) {
      for (const size of [1, cut]) {
        const answer = new Answer(body);
        for (let at = 0; at < bytes.length; at += size) {
          expect(answer.done).toBe(false);
          answer.feed(bytes.subarray(at, at + size));
        }
        expect(answer).toMatchObject({ done: true, status: 200, color: 'green', bodyEqual: true, closes: false });
      }
    }
  });

  it('takes a body that only the end of the connection ends', () => {
    const answer = new Answer(body);
    answer.feed(Buffer.from(`HTTP/1.1 200 OK\r\n\r\n${body}`));
    expect(answer.done).toBe(false);
    answer.end();
    expect(answer).toMatchObject({ done: true, bodyEqual: true, closes: true });
  });

  it('does not take the end of the connection for the end of a body with a length', () => {
    const answer = new Answer(body);
    answer.feed(Buffer.from(plain.slice(0, -1)));
    answer.end();
    expect(answer).toMatchObject({ done: false, bodyEqual: false });
  });
});
