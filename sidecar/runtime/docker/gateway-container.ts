import { setTimeout as sleep } from 'node:timers/promises';

import type { DockerConfig } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import type { FoundContainer, GatewayContainer, GatewayEnd } from '../../gateway/container.ts';
import { Engine, refusal, streamEnd } from './engine.ts';
import { type EngineEvent, EventFeed } from './event-feed.ts';
import { LABEL } from './labels.ts';
import { LogFrames } from './log-frames.ts';

const MARK = `${LABEL.role}=gateway`;
/** Milliseconds after an end in which the engine tells that it was a stop. */
const STOP_FOLLOWS = 1000;
/** Milliseconds for a program in the container. */
const EXEC_LIMIT = 30_000;

const STATES = ['created', 'running', 'restarting', 'exited', 'paused'] as const;

/** The container of a gateway that somebody else has made: it has our role as a label, and is on our network. */
export class DockerGatewayContainer implements GatewayContainer {
  readonly #engine: Engine;
  readonly #network: string;
  readonly #feed: EventFeed;
  readonly #listeners = new Set<(end: GatewayEnd) => void>();
  /** Last seen running. */
  #running: string | null = null;
  /** Ended, and not known yet whether by a stop; by id. */
  readonly #ending = new Map<string, (deliberate: boolean) => void>();

  constructor(docker: DockerConfig) {
    this.#engine = new Engine(docker);
    this.#network = docker.network;
    this.#feed = new EventFeed({
      engine: this.#engine,
      labels: [MARK],
      actions: ['start', 'die', 'stop', 'destroy'],
      onEvent: (event) => this.#take(event),
      onOpen: () => this.#lookAgain(),
    });
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#feed.close();
    this.#engine.close();
  }

  /** Null: there is none. */
  async find(): Promise<FoundContainer | null> {
    const found = await this.#candidates();
    if (found.length > 1) {
      const names = found.map(({ name }) => name).join(' and ');
      throw new TurnoutError('runtime-unusable', `${names} both carry the label ${MARK} on the network ${this.#network}`, {
        hint: 'One gateway serves a network: remove one of them, or its label.',
      });
    }
    const [one] = found;
    if (!one) return null;
    const info = await this.#engine.find(`${one.name} cannot be inspected`, (docker) => docker.getContainer(one.id).inspect());
    if (!info) return null;
    const state = STATES.find((known) => known === info.State.Status) ?? 'dead';
    if (state === 'running') this.#running = one.id;
    return { ...one, state, exitCode: info.State.ExitCode };
  }

  /** Runs a program in it. */
  async exec(id: string, words: string[]): Promise<{ code: number; output: string }> {
    const wanted = `${words[0]} cannot be run in the gateway's container`;
    return this.#engine.within(EXEC_LIMIT, wanted, async () => {
      const exec = await this.#engine.ask(wanted, (docker) =>
        docker.getContainer(id).exec({ Cmd: words, AttachStdout: true, AttachStderr: true }),
      );
      const stream = await this.#engine.open(wanted, (docker) => docker.getExec(exec.id).start({}));
      const output: Buffer[] = [];
      // Copied: a frame is part of a chunk.
      const frames = new LogFrames((_, bytes) => void output.push(Buffer.from(bytes)));
      stream.on('data', (chunk: Buffer) => frames.push(chunk));
      await streamEnd(stream);
      const { ExitCode, Running } = await this.#engine.ask(wanted, (docker) => docker.getExec(exec.id).inspect());
      if (Running || ExitCode === null) throw new TurnoutError('runtime-unusable', `${wanted}: the engine went away meanwhile`);
      return { code: ExitCode, output: Buffer.concat(output).toString('utf8') };
    });
  }

  /** Ends it at once; one that has ended already is fine. */
  async kill(id: string): Promise<void> {
    const killed = this.#engine.ask("The gateway's container cannot be killed", (docker) => docker.getContainer(id).kill());
    await killed.catch((error: unknown) => {
      if (![404, 409].includes(refusal(error) ?? 0)) throw error;
    });
  }

  async start(id: string): Promise<void> {
    await this.#engine
      .ask("The gateway's container cannot be started", (docker) => docker.getContainer(id).start())
      .catch((error: unknown) => {
        if (refusal(error) !== 304) throw error;
      });
  }

  /** Of all its processes, as `ps` shows them. */
  async titles(id: string): Promise<string[]> {
    const top: { Titles: string[]; Processes: string[][] } = await this.#engine.ask(
      "The processes of the gateway's container cannot be listed",
      (docker) => docker.getContainer(id).top(),
    );
    const column = top.Titles.findIndex((title) => title === 'CMD' || title === 'COMMAND');
    return top.Processes.map((process) => process.at(column) ?? '');
  }

  /** Calls back when it has ended. Returns the way to stop listening. */
  onEnd(listener: (end: GatewayEnd) => void): () => void {
    this.#feed.begin();
    const entry = (end: GatewayEnd) => listener(end);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  async #candidates(): Promise<{ id: string; name: string }[]> {
    const filters = { label: [MARK] };
    const all = await this.#engine.ask("The gateway's container cannot be looked for", (docker) =>
      docker.listContainers({ all: true, filters }),
    );
    return all
      .filter(({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {}).includes(this.#network))
      .map(({ Id, Names }) => ({ id: Id, name: Names[0]?.replace(/^\//, '') ?? Id }));
  }

  #take({ action, container }: EngineEvent): void {
    if (action === 'die') void this.#ended(container);
    else if (action !== 'start') this.#ending.get(container)?.(true);
    else
      void this.#isOurs(container).then((ours) => {
        if (ours) this.#running = container;
      });
  }

  async #ended(id: string): Promise<void> {
    const abort = new AbortController();
    const stopped = new Promise<boolean>((resolve) => {
      this.#ending.set(id, resolve);
    });
    const waited = sleep(STOP_FOLLOWS, false, { signal: abort.signal, ref: false }).catch(() => false);
    const ours = id === this.#running || (await this.#isOurs(id));
    const deliberate = await Promise.race([stopped, waited]);
    abort.abort();
    this.#ending.delete(id);
    if (ours) this.#tell({ id, deliberate });
  }

  #tell(end: GatewayEnd): void {
    if (this.#running === end.id) this.#running = null;
    for (const listener of [...this.#listeners]) listener(end);
  }

  async #isOurs(id: string): Promise<boolean> {
    return this.#candidates().then(
      (found) => found.some((one) => one.id === id),
      () => false,
    );
  }

  /** Events come again. An end that none of them tells of: killed is not stopped. */
  async #lookAgain(): Promise<void> {
    const before = this.#running;
    void this.find().catch(() => {});
    if (before === null) return;
    void sleep(2 * STOP_FOLLOWS, undefined, { ref: false }).then(async () => {
      if (this.#running !== before || this.#ending.has(before)) return;
      const found = await this.find().catch(() => undefined);
      if (found === null) this.#tell({ id: before, deliberate: true });
      else if (found?.state === 'exited') this.#tell({ id: found.id, deliberate: found.exitCode !== KILLED });
    });
  }
}

/** How the engine reports a SIGKILL. */
const KILLED = 137;
