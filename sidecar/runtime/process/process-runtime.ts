import { resolve } from 'node:path';

import { TurnoutError } from '../../errors.ts';
import type { ProcessIdentity } from '../../process-identity.ts';
import { isAlive } from '../../process-identity.ts';
import type { Resources } from '../resources.ts';
import type { ImageRequest, MatchOptions, OutputMatches, Replica, ReplicaSpec, Runtime, StopOptions } from '../runtime.ts';
import { SlotLock, slotKey } from '../slot-lock.ts';
import { adoptStrays } from './adoption.ts';
import type { OwnChild } from './child.ts';
import { markOf } from './environment.ts';
import { ExitWatch } from './exit-watch.ts';
import { requireFolder, requireFreeAddress } from './launch.ts';
import { logPath, pruneLogs, tailLog } from './log.ts';
import { OutputFollower } from './output-follower.ts';
import type { ReplicaRecord } from './record.ts';
import { ReplicaRecords, toReplica } from './record.ts';
import { ResourceMeter } from './resource-meter.ts';
import { seldom } from './seldom.ts';
import { newId, Spawner } from './spawner.ts';
import { sweep } from './sweep.ts';
import { ProcessTree } from './tree.ts';

const AT_ONCE: StopOptions = { signal: 'SIGKILL', timeout: 0 };

/** Replicas as processes on this machine. They outlive the sidecar; the next one finds them by record, else by mark. */
export class ProcessRuntime implements Runtime {
  readonly #state: string;
  readonly #records: ReplicaRecords;
  readonly #spawner: Spawner;
  readonly #watch = new ExitWatch();
  readonly #lock = new SlotLock();
  readonly #children = new Map<string, OwnChild>();
  readonly #meter = new ResourceMeter();
  readonly #followers = new Set<OutputFollower>();
  /** What is being started or stopped right now, once for each call: no sweep may take it for a stray. */
  readonly #underway = new Set<{ id: string }>();
  /** Stops under way, by slot: a start waits for them. */
  readonly #stopping = new Map<string, Promise<unknown>>();
  #adoption: Promise<void> | undefined;

  /** `state` is absolute; `env` is what replicas inherit, less what is meant for the sidecar alone. */
  constructor({ state, env }: { state: string; env: NodeJS.ProcessEnv }) {
    this.#state = resolve(state);
    this.#records = new ReplicaRecords(this.#state);
    this.#spawner = new Spawner({
      state: this.#state,
      env,
      records: this.#records,
      children: this.#children,
      onLog: (path, from) => {
        for (const follower of this.#followers) if (follower.path === path) follower.endAt(from);
      },
    });
  }

  async list(service?: string): Promise<Replica[]> {
    await this.#adopt();
    const records = await this.#records.all(service);
    return records.map((record) => this.#told(record));
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    await this.#adopt();
    await this.#stopping.get(slotKey(spec));
    return this.#lock.run(spec, () => this.#startInto(spec));
  }

  async prepare({ reference }: ImageRequest): Promise<string> {
    throw new TurnoutError(
      'image-unavailable',
      `${reference} is an image, and processes of this machine are not run from images`,
    );
  }

  async identify(): Promise<null> {
    return null;
  }

  async prune(): Promise<string[]> {
    return [];
  }

  /** Whoever starts a process again is the sidecar. */
  async keep(): Promise<void> {}

  async stop(replica: Replica, options: StopOptions): Promise<void> {
    await this.#adopt();
    const key = slotKey(replica);
    const mine = this.#during(replica.id, () => this.#end(replica, options));
    const all = Promise.allSettled([this.#stopping.get(key), mine]).then(() => {
      if (this.#stopping.get(key) === all) this.#stopping.delete(key);
    });
    this.#stopping.set(key, all);
    return mine;
  }

  async tail(replica: Replica, lines: number): Promise<string[]> {
    const record = await this.#records.read(replica);
    if (record?.id === replica.id) return tailLog(record.log.path, record.log.from, lines);
    return tailLog(logPath(this.#state, replica), 0, lines);
  }

  async resources(replica: Replica): Promise<Resources | null> {
    const leader = await this.#leader(replica);
    return leader ? this.#meter.read(replica.id, leader) : this.#meter.forget(replica.id);
  }

  matchOutput(replica: Replica, pattern: RegExp, options: MatchOptions = {}): OutputMatches {
    // Asked for at once: a stop takes the record away.
    const leader = this.#leader(replica);
    const child = this.#children.get(replica.id);
    const from = options.back ? this.#logBegin(replica).catch(() => 0) : Promise.resolve(0);
    const follower = new OutputFollower({
      path: logPath(this.#state, replica),
      pattern,
      options,
      from: () => from,
      isAlive: child ? () => child.exit === null : seldom(leader),
      onEnd: (one) => this.#followers.delete(one),
    });
    this.#followers.add(follower);
    // Where it is not known any more, whatever is still written there is another's. Where that can't be told, end() will.
    leader.then((known) => known ?? follower.end()).catch(() => {});
    return follower;
  }

  async sweep(): Promise<string[]> {
    await this.#adopt();
    const pids = await sweep(this.#state, {
      recorded: () => this.#records.ids(),
      isKnown: (id) => this.#children.has(id) || [...this.#underway].some((one) => one.id === id) || this.#watch.follows(id),
    });
    return pids.map((pid) => `pid ${pid}`);
  }

  onExit(listener: (replica: Replica) => void): () => void {
    // Adopted replicas are followed from here on, even if nobody asks for the list; where that fails, list() will say so.
    void this.#adopt().catch(() => {});
    return this.#watch.listen(listener);
  }

  async #startInto(spec: ReplicaSpec): Promise<Replica> {
    const former = await this.#records.read(spec);
    const present = former && (await this.#look(former));
    if (present?.alive) {
      if (present.deployment === spec.deployment) return present;
      const place = `slot ${spec.slot} of ${spec.service} ${spec.color}`;
      const holder = `release ${present.release} of ${present.deployment}`;
      throw new TurnoutError('runtime-unusable', `${place} is taken: ${holder} runs there`, {
        hint: 'Stop that replica first.',
      });
    }
    await requireFolder(spec.cwd);
    // Its record is about to be replaced, and with it the last trace of what it may have left running.
    if (former) await this.#tree(former.id, former).end(AT_ONCE);
    await requireFreeAddress(spec.address);
    const now = new Date();
    const id = newId(now);
    const { record, child } = await this.#during(id, () => this.#spawner.spawn(spec, id, now));
    if (former) this.#children.delete(former.id);
    void child.exited.then(() => setImmediate(() => void this.#exited(record, child)));
    await pruneLogs(record.log.path, spec);
    return this.#look(record);
  }

  async #end(replica: Replica, options: StopOptions): Promise<void> {
    const record = await this.#records.read(replica);
    const child = this.#children.get(replica.id);
    if (child && !child.alive) await child.exited;
    await this.#tree(replica.id, record?.id === replica.id ? record : null).end(options);
    await child?.reported;
    this.#watch.check();
    await this.#lock.run(replica, async () => {
      const current = await this.#records.read(replica);
      if (current?.id === replica.id) await this.#records.remove(replica);
    });
    this.#children.delete(replica.id);
    this.#meter.forget(replica.id);
  }

  async #exited(record: ReplicaRecord, child: OwnChild): Promise<void> {
    const { exit } = child;
    this.#watch.notify(toReplica(record, false, exit));
    child.markReported();
    await this.#lock
      .run(record, async () => {
        const current = await this.#records.read(record);
        if (current?.id === record.id) await this.#records.write({ ...record, exit });
      })
      .catch(() => {
        // Known in memory all the same; only a later sidecar will not know how it ended.
      });
  }

  /** Once per life: what an earlier sidecar has left. */
  #adopt(): Promise<void> {
    this.#adoption ??= this.#findEarlier().catch((error: unknown) => {
      this.#adoption = undefined;
      throw error;
    });
    return this.#adoption;
  }

  async #findEarlier(): Promise<void> {
    await adoptStrays(this.#state, this.#records);
    for (const record of await this.#records.all()) this.#told(record);
  }

  /** For whoever acts on it: knows also of an end that is about to be told. */
  async #look(record: ReplicaRecord): Promise<Replica> {
    const child = this.#children.get(record.id);
    // Dead and not yet reaped: how it ended will be told within this turn.
    if (child && !child.alive) await child.exited;
    return this.#told(record);
  }

  /** For every tick: of children by what was told, since their end will be; of others by a look. */
  #told(record: ReplicaRecord): Replica {
    const child = this.#children.get(record.id);
    const alive = child ? child.exit === null : isAlive(record.process);
    const replica = toReplica(record, alive, alive ? null : (child?.exit ?? record.exit));
    if (!child && alive) this.#watch.follow(replica, record.process);
    return replica;
  }

  /** Null for one that has been stopped, or whose slot another has taken. */
  async #leader({ id, ...slot }: Replica): Promise<ProcessIdentity | null> {
    const child = this.#children.get(id);
    if (child) return child.identity;
    const record = await this.#records.read(slot);
    return record?.id === id ? record.process : null;
  }

  /** The byte of its log at which its own output begins. */
  async #logBegin(replica: Replica): Promise<number> {
    const record = await this.#records.read(replica);
    return record?.id === replica.id ? record.log.from : 0;
  }

  async #during<T>(id: string, work: () => Promise<T>): Promise<T> {
    const token = { id };
    this.#underway.add(token);
    try {
      return await work();
    } finally {
      this.#underway.delete(token);
    }
  }

  #tree(id: string, record: ReplicaRecord | null): ProcessTree {
    const child = this.#children.get(id);
    return new ProcessTree(child?.identity ?? record?.process ?? null, markOf(this.#state, id), child?.survivors);
  }
}
