import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';

import { TurnoutError } from '../../errors.ts';
import { identify, isAlive } from '../../process-identity.ts';
import type { Replica, ReplicaSpec, Runtime, StopOptions } from '../runtime.ts';
import { OwnChild } from './child.ts';
import type { Stray } from './environment.ts';
import { findStrays, markOf, replicaEnvironment } from './environment.ts';
import { ExitWatch } from './exit-watch.ts';
import { launch, requireFolder, requireFreeAddress } from './launch.ts';
import { discardEmptyLog, logPath, openLog, pruneLogs, tailLog } from './log.ts';
import type { ReplicaRecord } from './record.ts';
import { ReplicaRecords } from './record.ts';
import { SlotLock, slotKey } from './slot-lock.ts';
import { ProcessTree } from './tree.ts';

const AT_ONCE: StopOptions = { signal: 'SIGKILL', timeout: 0 };

/** Replicas as processes on this machine. They outlive the sidecar; the next one finds them by record, else by mark. */
export class ProcessRuntime implements Runtime {
  readonly #state: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #records: ReplicaRecords;
  readonly #watch = new ExitWatch();
  readonly #lock = new SlotLock();
  readonly #children = new Map<string, OwnChild>();
  /** Stops under way, by slot: a start waits for them. */
  readonly #stopping = new Map<string, Promise<unknown>>();
  #adoption: Promise<void> | undefined;

  /** `state` is absolute; `env` is what replicas inherit, less what is meant for the sidecar alone. */
  constructor({ state, env }: { state: string; env: NodeJS.ProcessEnv }) {
    this.#state = resolve(state);
    this.#env = env;
    this.#records = new ReplicaRecords(this.#state);
  }

  async list(service?: string): Promise<Replica[]> {
    await this.#adopt();
    const records = await this.#records.all(service);
    return Promise.all(records.map((record) => this.#look(record)));
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    await this.#adopt();
    await this.#stopping.get(slotKey(spec));
    return this.#lock.run(spec, () => this.#startInto(spec));
  }

  async stop(replica: Replica, options: StopOptions): Promise<void> {
    await this.#adopt();
    const key = slotKey(replica);
    const mine = this.#end(replica, options);
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
    const { record, child } = await this.#spawn(spec);
    if (former) this.#children.delete(former.id);
    void child.exited.then(() => setImmediate(() => void this.#exited(record, child)));
    await pruneLogs(record.log.path, spec);
    return this.#look(record);
  }

  async #spawn(spec: ReplicaSpec): Promise<{ record: ReplicaRecord; child: OwnChild }> {
    const now = new Date();
    const id = `${now.getTime().toString(36)}-${randomBytes(6).toString('hex')}`;
    const env = replicaEnvironment(this.#env, spec, markOf(this.#state, id));
    const path = logPath(this.#state, spec);
    const { file, from } = await openLog(path).catch((cause: Error) => {
      throw new TurnoutError('runtime-unusable', `The log cannot be opened: ${cause.message}`, { cause });
    });
    try {
      const spawned = await launch(spec.command, spec.cwd, env, file.fd);
      const identity = identify(spawned.pid as number);
      if (!identity) {
        spawned.kill('SIGKILL');
        throw new TurnoutError('runtime-unusable', 'There is no /proc to watch processes by', { hint: 'Linux is needed.' });
      }
      const child = new OwnChild(spawned, identity);
      // Known before its record can be read: or else somebody who lists meanwhile would take it for an adopted one.
      this.#children.set(id, child);
      const { service, color, slot, address, release, deployment } = spec;
      const record: ReplicaRecord = {
        schema: 1,
        id,
        service,
        color,
        slot,
        address,
        release,
        deployment,
        startedAt: now.toISOString(),
        exit: null,
        process: identity,
        log: { path, from },
      };
      await this.#write(record);
      return { record, child };
    } catch (error) {
      this.#children.delete(id);
      await discardEmptyLog(path);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** A replica that nobody would find again must not run. */
  async #write(record: ReplicaRecord): Promise<void> {
    try {
      await this.#records.write(record);
    } catch (error) {
      // The caller gets the first error, whatever becomes of the cleaning up.
      await this.#tree(record.id, record)
        .end(AT_ONCE)
        .catch(() => {});
      const { message } = error as Error;
      throw new TurnoutError('runtime-unusable', `The replica's record cannot be written: ${message}`, { cause: error });
    }
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
    this.#adoption ??= this.#findStrays().catch((error: unknown) => {
      this.#adoption = undefined;
      throw error;
    });
    return this.#adoption;
  }

  async #findStrays(): Promise<void> {
    const known = new Set((await this.#records.all()).map(({ id }) => id));
    for (const stray of findStrays(this.#state, known)) {
      const holder = await this.#records.read(stray);
      if (!holder || !isAlive(holder.process)) await this.#records.adopt(this.#recordOf(stray));
    }
    for (const record of await this.#records.all()) await this.#look(record);
  }

  #recordOf(stray: Stray): ReplicaRecord {
    // The id begins with the time of its start.
    const time = new Date(Number.parseInt(stray.id, 36));
    const startedAt = (Number.isNaN(time.getTime()) ? new Date() : time).toISOString();
    return { schema: 1, ...stray, startedAt, exit: null, log: { path: logPath(this.#state, stray), from: 0 } };
  }

  async #look(record: ReplicaRecord): Promise<Replica> {
    const child = this.#children.get(record.id);
    const alive = child ? child.alive : isAlive(record.process);
    // Dead and not yet reaped: how it ended will be told within this turn.
    if (child && !alive) await child.exited;
    const replica = toReplica(record, alive, alive ? null : (child?.exit ?? record.exit));
    if (!child && alive) this.#watch.follow(replica, record.process);
    return replica;
  }

  #tree(id: string, record: ReplicaRecord | null): ProcessTree {
    const child = this.#children.get(id);
    return new ProcessTree(child?.identity ?? record?.process ?? null, markOf(this.#state, id), child?.survivors);
  }
}

function toReplica(record: ReplicaRecord, alive: boolean, exit: Replica['exit']): Replica {
  const { id, service, color, slot, address, release, deployment, startedAt } = record;
  return { id, service, color, slot, address, release, deployment, startedAt, alive, exit };
}
