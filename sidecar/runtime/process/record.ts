import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';

import { TurnoutError } from '../../errors.ts';
import type { Replica, Slot } from '../runtime.ts';
import { Unchanged } from './unchanged.ts';

const schema = z.object({
  schema: z.literal(1),
  id: z.string().min(1),
  service: z.string().min(1),
  color: z.enum(['blue', 'green']),
  slot: z.int().min(1),
  address: z.string().min(1),
  release: z.string(),
  deployment: z.string().min(1),
  startedAt: z.iso.datetime(),
  exit: z.object({ code: z.int().nullable(), signal: z.string().nullable() }).nullable(),
  process: z.object({ pid: z.int().min(1), startTime: z.string(), bootId: z.string() }),
  /** `from`: where in the file its output begins, since another replica of the deployment may have written before it. */
  log: z.object({ path: z.string(), from: z.int().min(0) }),
});

/** What is kept on disk about a replica, and never a value of its environment. */
export type ReplicaRecord = z.infer<typeof schema>;

export function toReplica(record: ReplicaRecord, alive: boolean, exit: Replica['exit']): Replica {
  const { id, service, color, slot, address, release, deployment, startedAt } = record;
  return { id, service, color, slot, address, release, deployment, startedAt, alive, exit, kept: null };
}

const FILE = /^(blue|green)-\d+\.json$/;

/** `<state>/replicas/<service>/<color>-<slot>.json`: one file for the replica that is, or was last, in a slot. */
export class ReplicaRecords {
  readonly #folder: string;
  /** Those of adopted replicas that could not be written, by path. */
  readonly #unwritten = new Map<string, ReplicaRecord>();
  /** Slot 2 before slot 10. */
  readonly #paths: Unchanged<string[]>;
  readonly #read: Unchanged<ReplicaRecord | null>;

  /** `now` in milliseconds since 1970, for tests. */
  constructor(state: string, now: () => number = Date.now) {
    this.#folder = join(state, 'replicas');
    this.#paths = new Unchanged(listRecords, now);
    this.#read = new Unchanged(readRecord, now);
  }

  /** Cheap enough for every tick: what has not changed since is not read again. Not to be modified by the caller. */
  async all(service?: string): Promise<ReplicaRecord[]> {
    const services = service === undefined ? await list(this.#folder) : [service];
    const found = await Promise.all(services.map((name) => this.#paths.get(join(this.#folder, name))));
    const unwritten = [...this.#unwritten].filter(([, record]) => service === undefined || record.service === service);
    let paths = found.flat();
    if (services.length > 1 || unwritten.length > 0) {
      paths = [...new Set([...paths, ...unwritten.map(([path]) => path)])].sort(byNumber);
    }
    const records = await Promise.all(paths.map((path) => this.#recordAt(path)));
    return records.filter((record) => record !== null);
  }

  async ids(): Promise<Set<string>> {
    return new Set((await this.all()).map(({ id }) => id));
  }

  /** Null also for a torn one: its process, if it runs, is found by its mark. */
  async read(slot: Slot): Promise<ReplicaRecord | null> {
    return this.#recordAt(this.#path(slot));
  }

  async write(record: ReplicaRecord): Promise<void> {
    const path = this.#path(record);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomic(path, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
    this.#unwritten.delete(path);
  }

  /** For a replica that already runs: a disk that takes no file must not hide it. Ignores one that makes no sense. */
  async adopt(record: ReplicaRecord): Promise<void> {
    if (!schema.safeParse(record).success) return;
    try {
      await this.write(record);
    } catch {
      this.#unwritten.set(this.#path(record), record);
    }
  }

  async remove(slot: Slot): Promise<void> {
    const path = this.#path(slot);
    this.#unwritten.delete(path);
    await rm(path, { force: true });
  }

  #path({ service, color, slot }: Slot): string {
    return join(this.#folder, service, `${color}-${slot}.json`);
  }

  async #recordAt(path: string): Promise<ReplicaRecord | null> {
    return this.#unwritten.get(path) ?? this.#read.get(path);
  }
}

async function readRecord(path: string): Promise<ReplicaRecord | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw unreadable(path, error);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function listRecords(folder: string): Promise<string[]> {
  const names = (await list(folder)).filter((file) => FILE.test(file));
  return names.map((file) => join(folder, file)).sort(byNumber);
}

function byNumber(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable(folder, error);
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function unreadable(path: string, cause: unknown): TurnoutError {
  return new TurnoutError('disk-unusable', `${path} cannot be read: ${(cause as Error).message}`, { cause });
}
