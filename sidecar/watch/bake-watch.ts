import type { Breach } from '../../njs/conviction.ts';
import type { Clock } from '../clock.ts';
import type { BakeConfig } from '../config/config.ts';
import type { OutputMatches, Replica, Runtime } from '../runtime/runtime.ts';

/** Milliseconds between two readings of what replicas use. */
const READ = 1000;
/** Readings that the cpu's average is taken from, so that a start-up's peak alone does not convict. */
const READINGS = 5;

interface Watched {
  replica: Replica;
  output: OutputMatches | null;
  cpu: number[];
  memory: number;
}

/** Watches what the replicas of a baking color use and say. */
export class BakeWatch {
  private readonly watched: Watched[];
  private nextReading: number;

  constructor(
    replicas: Replica[],
    private readonly config: BakeConfig,
    private readonly runtime: Runtime,
    private readonly clock: Clock,
  ) {
    const { logErrors } = config;
    this.watched = replicas.map((replica) => {
      const output = logErrors ? runtime.matchOutput(replica, logErrors.pattern) : null;
      return { replica, output, cpu: [], memory: 0 };
    });
    this.nextReading = clock.now();
  }

  end(): void {
    for (const { output } of this.watched) output?.end();
  }

  /** Takes a reading when one is due; call it as often as you like. */
  async look(): Promise<void> {
    if (this.config.maxCpu === null && this.config.maxMemory === null) return;
    if (this.clock.now() < this.nextReading) return;
    this.nextReading = this.clock.now() + READ;
    for (const one of this.watched) {
      const used = await this.runtime.resources(one.replica);
      if (!used) continue;
      one.memory = used.memory;
      if (used.cpu !== null) one.cpu = [...one.cpu, used.cpu].slice(-READINGS);
    }
  }

  breach(): Breach | null {
    return this.tooMuchMemory() ?? this.tooMuchCpu() ?? this.tooManyErrors();
  }

  private tooMuchMemory(): Breach | null {
    const limit = this.config.maxMemory;
    const over = limit === null ? undefined : this.watched.find((one) => one.memory > limit);
    if (!over || limit === null) return null;
    return {
      reason: 'memory',
      message: `slot ${over.replica.slot} uses ${mebibytes(over.memory)}, the limit is ${mebibytes(limit)}`,
    };
  }

  private tooMuchCpu(): Breach | null {
    const limit = this.config.maxCpu;
    if (limit === null) return null;
    for (const { replica, cpu } of this.watched) {
      const mean = cpu.reduce((sum, one) => sum + one, 0) / cpu.length;
      if (cpu.length < READINGS || mean <= limit) continue;
      const message = `slot ${replica.slot} used ${mean.toFixed(2)} cores over ${READINGS} s, the limit is ${limit}`;
      return { reason: 'cpu', message };
    }
    return null;
  }

  private tooManyErrors(): Breach | null {
    const limit = this.config.logErrors;
    if (!limit) return null;
    const count = this.watched.reduce((sum, one) => sum + (one.output?.count ?? 0), 0);
    if (count <= limit.max) return null;
    const last = this.watched.map((one) => one.output?.last).find((line) => line != null);
    return {
      reason: 'log-errors',
      message: `${count} lines of output match ${limit.pattern}, the limit is ${limit.max}; the latest: ${last}`,
    };
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
