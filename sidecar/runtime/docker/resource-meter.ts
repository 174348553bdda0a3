import { TurnoutError } from '../../errors.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { Resources } from '../resources.ts';
import { type Engine, streamEnd } from './engine.ts';

/** Milliseconds until the engine must have sent a sample: it sends one a second. */
const PATIENCE = 5000;
/** Milliseconds without a question after which the engine need not measure on. */
const IDLE = 60_000;

/** What is used of the engine's figures. */
interface Stats {
  /** 0001-01-01 once it has ended. */
  read: string;
  cpu_stats: { cpu_usage: { total_usage: number } };
  memory_stats: { usage?: number; stats?: Record<string, number> };
}

interface Sample {
  /** Milliseconds of the engine's clock. */
  at: number;
  /** Nanoseconds of all cores together. */
  used: number;
  memory: number;
}

interface Reading {
  sample: Sample;
  cpu: number | null;
}

/** Measures replicas. The engine takes a second for a single figure, so it is asked to go on once somebody has asked for one. */
export class ResourceMeter {
  readonly #engine: Engine;
  readonly #feeds = new Map<string, Feed>();
  readonly #readings = new Map<string, Reading>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Null when it has ended. */
  async read(id: string, container: string): Promise<Resources | null> {
    let feed = this.#feeds.get(id);
    if (!feed || feed.over) {
      feed = new Feed(this.#engine, container);
      this.#feeds.set(id, feed);
    }
    const before = this.#readings.get(id);
    const latest = feed.ask();
    // Two questions within one sample have one answer; only the second of all waits for a figure of its own.
    if (before && before.cpu !== null && latest === before.sample) return answer(before);
    const sample = latest && latest !== before?.sample ? latest : await feed.next();
    if (!sample) return this.forget(id);
    const reading = { sample, cpu: before ? cores(before.sample, sample) : null };
    if (this.#feeds.get(id) === feed) this.#readings.set(id, reading);
    return answer(reading);
  }

  forget(id: string): null {
    this.#feeds.get(id)?.close();
    this.#feeds.delete(id);
    this.#readings.delete(id);
    return null;
  }

  close(): void {
    for (const id of [...this.#feeds.keys()]) this.forget(id);
  }
}

/** What the engine tells of one container, for as long as somebody asks. */
class Feed {
  readonly #ending = new AbortController();
  #latest: Sample | null = null;
  #askedAt = 0;
  #waiting: ((sample: Sample | null) => void)[] = [];
  #failure: unknown = null;
  over = false;

  constructor(engine: Engine, container: string) {
    void this.#run(engine, container)
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.over = true;
        this.#tell(null);
      });
  }

  /** The latest sample; null: there is none yet. */
  ask(): Sample | null {
    this.#askedAt = performance.now();
    return this.#latest;
  }

  /** The next sample; null: there will be none. */
  async next(): Promise<Sample | null> {
    if (!this.over) {
      let timer: NodeJS.Timeout | undefined;
      const sample = await new Promise<Sample | null>((resolve, reject) => {
        this.#waiting.push(resolve);
        const late = new TurnoutError('runtime-unusable', `The engine has sent no figures for ${PATIENCE / 1000} s`);
        timer = setTimeout(() => reject(late), PATIENCE);
      }).finally(() => clearTimeout(timer));
      if (sample) return sample;
    }
    if (this.#failure) throw this.#failure;
    return null;
  }

  close(): void {
    this.#ending.abort();
  }

  async #run(engine: Engine, container: string): Promise<void> {
    const { signal: abortSignal } = this.#ending;
    const options = { stream: true as const, abortSignal };
    const stream = await engine.open(`What container ${container} uses cannot be told`, (docker) =>
      docker.getContainer(container).stats(options),
    );
    const lines = new LineSplitter((line) => this.#take(line));
    stream.on('data', (chunk: Buffer) => lines.push(chunk));
    await streamEnd(stream);
  }

  #take(line: string): void {
    const stats = JSON.parse(line) as Stats;
    const at = Date.parse(stats.read);
    if (!(at > 0) || performance.now() - this.#askedAt > IDLE) {
      this.close();
      return;
    }
    this.#latest = { at, used: stats.cpu_stats.cpu_usage.total_usage, memory: memoryOf(stats) };
    this.#tell(this.#latest);
  }

  #tell(sample: Sample | null): void {
    for (const resolve of this.#waiting.splice(0)) resolve(sample);
  }
}

/** Without the files that the kernel merely remembers: named differently by the two generations of control groups. */
function memoryOf({ memory_stats: { usage = 0, stats = {} } }: Stats): number {
  return Math.max(0, usage - (stats.total_inactive_file ?? stats.inactive_file ?? 0));
}

function cores(before: Sample, now: Sample): number {
  const milliseconds = now.at - before.at;
  return milliseconds > 0 ? Math.max(0, now.used - before.used) / 1e6 / milliseconds : 0;
}

function answer({ sample, cpu }: Reading): Resources {
  return { cpu, memory: sample.memory };
}
