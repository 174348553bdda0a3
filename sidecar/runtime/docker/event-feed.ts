import { setTimeout as sleep } from 'node:timers/promises';

import { LineSplitter } from '../line-splitter.ts';
import { type Engine, streamEnd } from './engine.ts';

/** Milliseconds until the first and at most until a later attempt to hear the engine again. */
const SOON = 100;
const LATER = 2000;

export interface EngineEvent {
  /** e.g. `die` */
  action: string;
  /** The whole id. */
  container: string;
  /** Milliseconds of the engine's clock. */
  at: number;
  attributes: Record<string, string>;
}

export interface EventFeedOptions {
  engine: Engine;
  labels: string[];
  actions: string[];
  onEvent: (event: EngineEvent) => void;
  /** Called each time that events come again: what happened in between may never be told. Counts as connected after it. */
  onOpen?: () => Promise<void>;
}

interface Message {
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}

/** What the engine tells of containers, for as long as it is there, and again once it is back. */
export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #closing = new AbortController();
  /** Ends the present connection. */
  #connection: AbortController | null = null;
  #connected = false;
  #running: Promise<void> | null = null;
  /** Nanoseconds of the latest event. */
  #latest = 0;
  #delay = SOON;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#connected;
  }

  begin(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run();
  }

  /** For a connection that seems to be there, while the engine does not answer. */
  drop(): void {
    this.#connection?.abort();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.drop();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#connection = new AbortController();
      await this.#listen(this.#connection.signal).catch(() => {
        // Whoever asks for the list meanwhile is told why.
      });
      this.#connected = false;
      if (signal.aborted) return;
      await sleep(this.#delay, undefined, { signal }).catch(() => {});
      this.#delay = Math.min(this.#delay * 2, LATER);
    }
  }

  async #listen(abortSignal: AbortSignal): Promise<void> {
    const { engine, labels, actions, onOpen } = this.#options;
    const known = this.#latest;
    // A little of the past, as far as the engine remembers it: its answer begins before it listens.
    const since = (known > 0 ? known / 1e9 : Date.now() / 1000).toFixed(3);
    const options = { since, filters: { type: ['container'], event: actions, label: labels }, abortSignal };
    const stream = await engine.open('The engine tells no events', (docker) => docker.getEvents(options as object));
    const ended = streamEnd(stream);
    const lines = new LineSplitter((line) => this.#take(line, known));
    stream.on('data', (chunk: Buffer) => lines.push(chunk));
    try {
      await onOpen?.();
      this.#connected = !abortSignal.aborted;
      this.#delay = SOON;
      await ended;
    } finally {
      this.#connection?.abort();
    }
  }

  #take(line: string, known: number): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      return;
    }
    const { Action: action, Actor, timeNano } = message;
    if (!Actor?.ID || timeNano <= known) return;
    this.#latest = Math.max(this.#latest, timeNano);
    this.#options.onEvent({ action, container: Actor.ID, at: timeNano / 1e6, attributes: Actor.Attributes });
  }
}
