import type { Color } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import type { OutputMatches, Replica, Runtime } from '../runtime/runtime.ts';

/** Milliseconds between two looks for replicas that were started since. */
const LOOK = 300;
/** Lines that are looked back at of a replica that was started since: all of them. */
const ALL = 10_000;
/** Characters of a line that are told. Less than what is read of one, so that a secret that is cut in two is not told at all. */
const SHOWN = 16 * 1024;

const EVERY_LINE = /^/;

export interface LogLine {
  color: Color;
  slot: number;
  line: string;
}

export interface LogPorts {
  clock: Clock;
  runtime: Pick<Runtime, 'list' | 'tail' | 'matchOutput'>;
  /** Takes secret values out of a text. */
  redact(text: string): string;
}

/** What the replicas of one color of a service write. */
export class LogStream {
  constructor(
    private readonly service: string,
    /** False once the service is gone. */
    private readonly isThere: () => boolean,
    private readonly ports: LogPorts,
  ) {}

  /** The last lines of each replica, one replica after another. */
  async tail(color: Color, lines: number, told: (line: LogLine) => void): Promise<void> {
    for (const replica of await this.replicas(color)) {
      for (const line of await this.ports.runtime.tail(replica, lines)) told(this.clean(replica, line));
    }
  }

  /** The last lines and then each one that comes, also of replicas that are started later, until the signal is aborted. */
  async follow(color: Color, lines: number, told: (line: LogLine) => void, signal: AbortSignal): Promise<void> {
    const followed = new Map<string, OutputMatches>();
    try {
      for (let first = true; !signal.aborted && this.isThere(); ) {
        // An engine that is away for a moment is asked again.
        const present = await this.replicas(color).catch(() => null);
        for (const replica of present ?? []) {
          if (followed.has(replica.id) || signal.aborted) continue;
          const heard = (line: string) => {
            if (!signal.aborted) told(this.clean(replica, line));
          };
          const back = first ? lines : ALL;
          followed.set(replica.id, this.ports.runtime.matchOutput(replica, EVERY_LINE, { back, heard }));
        }
        if (present) first = false;
        await this.ports.clock.sleep(LOOK, signal);
      }
    } finally {
      for (const one of followed.values()) one.end();
    }
  }

  private async replicas(color: Color): Promise<Replica[]> {
    return (await this.ports.runtime.list(this.service)).filter((one) => one.color === color);
  }

  private clean({ color, slot }: Replica, line: string): LogLine {
    return { color, slot, line: this.ports.redact(line).slice(0, SHOWN) };
  }
}
