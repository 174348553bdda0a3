import { Agent, request } from 'node:http';

type Color = 'blue' | 'green';
export type ByStatus = Record<'2xx' | '3xx' | '4xx' | '5xx', number>;

export interface StatusCount {
  total: number;
  /** Without an answer. */
  lost: number;
  byColor: Record<Color, ByStatus>;
  /** Those that asked the application to wait for 200 ms. */
  slowerThan200: Record<Color, number>;
  /** Those that took longer than 160 ms, as the client saw it. */
  seenSlowerThan160: Record<Color, number>;
}

const STATUSES = [200, 200, 200, 200, 204, 302, 404, 500, 503];

/** Asks for mixed statuses and durations over keepalive connections and counts what came back, for itself. */
export class StatusLoad {
  finished = 0;
  readonly done: Promise<StatusCount>;
  private readonly agent: Agent;
  private readonly count: StatusCount = {
    total: 0,
    lost: 0,
    byColor: { blue: zeros(), green: zeros() },
    slowerThan200: { blue: 0, green: 0 },
    seenSlowerThan160: { blue: 0, green: 0 },
  };
  private begun = 0;

  constructor(
    private readonly port: number,
    private options: { connections: number; requests: number },
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: options.connections });
    const runs = Array.from({ length: options.connections }, () => this.run());
    this.done = Promise.all(runs).then(() => {
      this.agent.destroy();
      return this.count;
    });
  }

  stop(): Promise<StatusCount> {
    this.options = { ...this.options, requests: 0 };
    return this.done;
  }

  private async run(): Promise<void> {
    while (this.begun < this.options.requests) await this.one(this.begun++);
  }

  private one(number: number): Promise<void> {
    const status = STATUSES[number % STATUSES.length] as number;
    const ms = number % 100 === 0 ? 200 : number % 7 === 0 ? number % 25 : 0;
    const started = performance.now();
    return new Promise((resolve) => {
      const end = (color: Color | null) => {
        this.count.total++;
        this.finished++;
        if (color === null) this.count.lost++;
        else {
          const key = `${Math.floor(status / 100)}xx` as keyof ByStatus;
          this.count.byColor[color][key]++;
          if (ms === 200) this.count.slowerThan200[color]++;
          if (performance.now() - started > 160) this.count.seenSlowerThan160[color]++;
        }
        resolve();
      };
      const call = request(
        { host: '127.0.0.1', port: this.port, path: `/?status=${status}&ms=${ms}`, agent: this.agent },
        (answer) => {
          answer.resume();
          answer.once('end', () => end(answer.statusCode === status ? (answer.headers['x-color'] as Color) : null));
          answer.once('error', () => end(null));
        },
      );
      call.once('error', () => end(null));
      call.end();
    });
  }
}

function zeros(): ByStatus {
  return { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 };
}
