import { type FileHandle, mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TurnoutError } from '../errors.ts';
import type { JournalEvent } from './events.ts';

/** On every line; a reader that finds a higher one refuses rather than guesses. */
const SCHEMA = 1;

/** What is not known until it is written: the number of the line and when. */
export type Written<E = JournalEvent> = E & { v: number; seq: number; at: string };

/** The append-only history of one state folder: a JSON line per event, on disk before `append` resolves. */
export class Journal {
  private appended = 0;
  private last: Promise<unknown> = Promise.resolve();
  private readonly listeners = new Set<(line: Written) => void>();

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private seq: number,
  ) {}

  /** Opens the journal and hands over what it holds. A torn last line, left by a crash, is dropped and told as `torn`. */
  static async open(path: string): Promise<{ journal: Journal; events: Written[]; torn: string | null }> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const end = text.lastIndexOf('\n') + 1;
    const torn = end < text.length ? text.slice(end) : null;
    const events = text
      .slice(0, end)
      .split('\n')
      .slice(0, -1)
      .map((line, index) => parse(path, line, index + 1));
    // Only once everything before it is known to be whole.
    if (torn !== null) await truncate(path, Buffer.byteLength(text.slice(0, end)));
    const file = await open(path, 'a', 0o600);
    return { journal: new Journal(path, file, events.at(-1)?.seq ?? 0), events, torn };
  }

  /** One at a time, in the order of the calls; resolves to what `open` would read. Rejects with `disk-unusable` when the line is not safely on disk. */
  append(event: JournalEvent, at: Date): Promise<Written> {
    const turn = this.last.then(() => this.write(event, at));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /** Calls back for every line once it is on disk, in their order. Returns the way to stop listening. */
  onAppend(listener: (line: Written) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** The lines on disk behind this one, in their order. A number that was never reached means: all of them. */
  async after(seq: number): Promise<Written[]> {
    await this.last;
    const from = seq > this.seq ? 0 : seq;
    const lines = (await readFile(this.path, 'utf8')).split('\n').slice(0, -1);
    return lines.map((line, index) => parse(this.path, line, index + 1)).filter((line) => line.seq > from);
  }

  async close(): Promise<void> {
    await this.last;
    await this.file.close();
  }

  private async write(event: JournalEvent, at: Date): Promise<Written> {
    this.appended++;
    crashIf(`${this.appended}.before`);
    const line: Written = { v: SCHEMA, seq: this.seq + 1, at: at.toISOString(), ...event };
    const text = JSON.stringify(line);
    let size: number | null = null;
    try {
      ({ size } = await this.file.stat());
      await this.file.appendFile(`${text}\n`);
      await this.file.datasync();
    } catch (error) {
      // Half a line must not become the middle of the file.
      if (size !== null) await this.file.truncate(size).catch(() => undefined);
      throw new TurnoutError('disk-unusable', `the journal cannot be written: ${(error as Error).message}`, { cause: error });
    }
    this.seq++;
    crashIf(`${this.appended}.after`);
    // What was read keeps a status class called 499 in 200 bytes; what was put together has room for 764 array elements, 6 kB.
    const written = JSON.parse(text) as Written;
    for (const tell of [...this.listeners]) tell(written);
    return written;
  }
}

/** For tests of crash safety: TURNOUT_CRASH_AT names an append of this process, and whether it dies before or after it. */
function crashIf(moment: string): void {
  if (process.env.TURNOUT_CRASH_AT === moment) process.kill(process.pid, 'SIGKILL');
}

function parse(path: string, line: string, number: number): Written {
  try {
    const event = JSON.parse(line) as Written;
    if (!(event.v > SCHEMA)) {
      if (typeof event.v !== 'number' || typeof event.seq !== 'number') throw new TypeError('not an event');
      return event;
    }
  } catch {
    throw new TurnoutError('disk-unusable', `${path}:${number}: not a JSON line: ${line.slice(0, 80)}`, {
      hint: 'The journal was damaged in its middle; restore it, or move it away to begin a new history.',
    });
  }
  throw new TurnoutError('disk-unusable', `${path}:${number}: written by a newer Turnout`, {
    hint: 'Run the newer version again.',
  });
}
