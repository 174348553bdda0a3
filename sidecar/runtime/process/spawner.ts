import { randomBytes } from 'node:crypto';

import { TurnoutError } from '../../errors.ts';
import { identify } from '../../process-identity.ts';
import type { ReplicaSpec } from '../runtime.ts';
import { OwnChild } from './child.ts';
import { markOf, replicaEnvironment } from './environment.ts';
import { launch } from './launch.ts';
import { discardEmptyLog, logPath, openLog } from './log.ts';
import type { ReplicaRecord, ReplicaRecords } from './record.ts';
import { ProcessTree } from './tree.ts';

export interface SpawnerOptions {
  state: string;
  env: NodeJS.ProcessEnv;
  records: ReplicaRecords;
  /** Where a new one is put, by id. */
  children: Map<string, OwnChild>;
  /** Called before a replica runs, with the byte at which its output will begin. */
  onLog: (path: string, from: number) => void;
}

/** Unique for ever; begins with the time, which outlives the loss of a record. */
export function newId(now: Date): string {
  return `${now.getTime().toString(36)}-${randomBytes(6).toString('hex')}`;
}

/** Brings a replica up, with its log and its record, or leaves nothing behind. */
export class Spawner {
  readonly #options: SpawnerOptions;

  constructor(options: SpawnerOptions) {
    this.#options = options;
  }

  async spawn(spec: ReplicaSpec, id: string, now: Date): Promise<{ record: ReplicaRecord; child: OwnChild }> {
    const { state, children, onLog } = this.#options;
    const env = replicaEnvironment(this.#options.env, spec, markOf(state, id));
    const path = logPath(state, spec);
    const { file, from } = await openLog(path).catch((cause: Error) => {
      throw new TurnoutError('runtime-unusable', `The log cannot be opened: ${cause.message}`, { cause });
    });
    onLog(path, from);
    try {
      const spawned = await launch(spec.command, spec.cwd, env, file.fd);
      const identity = identify(spawned.pid as number);
      if (!identity) {
        spawned.kill('SIGKILL');
        throw new TurnoutError('runtime-unusable', 'There is no /proc to watch processes by', { hint: 'Linux is needed.' });
      }
      const child = new OwnChild(spawned, identity);
      // Known before its record can be read: or else somebody who lists meanwhile would take it for an adopted one.
      children.set(id, child);
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
      await this.#write(record, child);
      return { record, child };
    } catch (error) {
      children.delete(id);
      await discardEmptyLog(path);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** A replica that nobody would find again must not run. */
  async #write(record: ReplicaRecord, child: OwnChild): Promise<void> {
    try {
      await this.#options.records.write(record);
    } catch (error) {
      // The caller gets the first error, whatever becomes of the cleaning up.
      const tree = new ProcessTree(record.process, markOf(this.#options.state, record.id), child.survivors);
      await tree.end({ signal: 'SIGKILL', timeout: 0 }).catch(() => {});
      const { message } = error as Error;
      throw new TurnoutError('runtime-unusable', `The replica's record cannot be written: ${message}`, { cause: error });
    }
  }
}
