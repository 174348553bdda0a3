import type { Clock } from '../clock.ts';
import type { OutputMatches } from '../runtime/runtime.ts';
import type { ErrorLines } from './report.ts';

/**
 * Lines that tell of an error in most languages, where the service does not say what its own look like: levels of ERROR and
 * worse, as words, in logfmt or in JSON (with the numbers of pino and bunyan), exceptions, tracebacks and panics.
 */
export const ERROR_LINE = new RegExp(
  [
    String.raw`\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC)\b`,
    String.raw`"(?:level|severity|lvl)"\s*:\s*(?:"(?:[Ee]rror|[Ff]atal|[Cc]ritical|[Pp]anic|[Aa]lert|[Ee]merg\w*)"|[56]0\b)`,
    String.raw`\blevel=(?:error|fatal|critical|panic)\b`,
    String.raw`\b(?:[A-Z]\w*)?(?:Error|Exception): `,
    String.raw`\bException\b`,
    String.raw`^Traceback \(most recent call last\)`,
    String.raw`\bpanic: `,
    String.raw`\b[Uu]nhandled (?:promise )?rejection\b`,
  ].join('|'),
);

/** Milliseconds that count as lately. */
const MINUTE = 60_000;
/** Milliseconds until what was written before anybody looked has been read. */
const CATCH_UP = 3000;
/** Characters of a line that are shown. */
const SHOWN = 300;

/** The error lines of one slot since its deployment, over all replicas that have run in it. */
export class ErrorCount {
  private readonly lives: OutputMatches[] = [];
  private readonly samples: { at: number; count: number }[] = [];
  private readonly begun: number;
  private folded = 0;
  private latest: string | null = null;

  /** `fresh`: its first replica is seen from its start; else what it wrote before is none of the last minute. */
  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly fresh: boolean,
  ) {
    this.begun = clock.now();
    if (fresh) this.samples.push({ at: this.begun, count: 0 });
  }

  add(matches: OutputMatches): void {
    this.lives.push(matches);
    // Whoever died a life ago has said its last words by now.
    while (this.lives.length > 2) {
      const old = this.lives.shift() as OutputMatches;
      this.folded += old.count;
      this.latest = old.last ?? this.latest;
      old.end();
    }
  }

  /** To be called every few seconds. */
  sample(): void {
    const now = this.clock.now();
    if (!this.fresh && now - this.begun < CATCH_UP) return;
    this.samples.push({ at: now, count: this.total });
    const whole = this.samples.findLastIndex((one) => one.at <= now - MINUTE);
    if (whole > 0) this.samples.splice(0, whole);
  }

  report(clean: (text: string) => string): ErrorLines {
    const now = this.clock.now();
    const from = this.samples.findLast((one) => one.at <= now - MINUTE) ?? this.samples[0];
    const last = this.lives.findLast((one) => one.last !== null)?.last ?? this.latest;
    return { total: this.total, recent: from ? this.total - from.count : 0, last: last && shorten(clean(last)) };
  }

  end(): void {
    for (const one of this.lives) one.end();
  }

  private get total(): number {
    return this.lives.reduce((sum, one) => sum + one.count, this.folded);
  }
}

/** On one line, without what would move a terminal's cursor. */
export function shorten(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, SHOWN);
}
