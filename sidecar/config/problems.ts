import type { LineCounter } from 'yaml';
import { TurnoutError } from '../errors.ts';

interface Problem {
  /** In characters from the start of the file. */
  offset: number;
  sentence: string;
  /** Whether it makes whatever else is said about the same place superfluous. */
  alone: boolean;
}

/** Everything that is wrong with the file, gathered so that the user mends it in one go. */
export class Problems {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #found: Problem[] = [];

  /** `file` is shown as the user gave it. */
  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  /** `sentence` says what was found and what was expected. */
  add(offset: number, sentence: string, { alone = false } = {}): void {
    this.#found.push({ offset, sentence, alone });
  }

  throwIfAny(): void {
    if (this.#found.length > 0) throw new TurnoutError('config-invalid', this.#report().join('\n'));
  }

  /** By position; what an alias brings to several places is said once. */
  #report(): string[] {
    const alone = new Set(this.#found.filter((problem) => problem.alone).map((problem) => problem.offset));
    const kept = this.#found.filter((problem) => problem.alone || !alone.has(problem.offset));
    kept.sort((a, b) => a.offset - b.offset);
    return [...new Set(kept.map((problem) => this.#line(problem)))];
  }

  #line({ offset, sentence }: Problem): string {
    const { line, col } = this.#lines.linePos(offset);
    // An empty file has no line at all.
    return `${this.#file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${sentence}`;
  }
}
