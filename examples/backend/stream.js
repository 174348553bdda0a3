/** Server-Sent Events that tell who is sending, one per interval, the first at once. */
export class EventStreams {
  #replies;
  #identity;
  #endless = new Set();

  constructor(replies, identity) {
    this.#replies = replies;
    this.#identity = identity;
  }

  open(req, res, intervalMs, count) {
    this.#replies.begin(
      res,
      200,
      this.#replies.headers(
        'content-type',
        'text/event-stream',
        'cache-control',
        'no-cache',
        'x-accel-buffering',
        'no', // nginx would otherwise collect events until a buffer is full
      ),
    );
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    const { release, color } = this.#identity;
    let n = 0;
    const send = () => {
      if (res.writableNeedDrain) return; // a client that doesn't read must not fill our memory
      n += 1;
      res.write(`id: ${n}\ndata: ${JSON.stringify({ n, release, color })}\n\n`);
      if (n >= count) res.end();
    };
    const timer = setInterval(send, intervalMs);
    if (count === Infinity) this.#endless.add(res);
    res.on('close', () => {
      clearInterval(timer);
      this.#endless.delete(res);
    });
    res.on('finish', () => clearInterval(timer));
    send();
    if (this.#replies.draining && count === Infinity) res.end();
  }

  /** Ends the streams that would never end; one with a count comes to its end by itself. */
  endAll() {
    for (const res of this.#endless) res.end();
  }
}
