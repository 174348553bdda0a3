import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

import type { ProcessIdentity } from '../../sidecar/process-identity.ts';
import { ProcessRuntime } from '../../sidecar/runtime/process/process-runtime.ts';
import type { Replica, ReplicaSpec, Runtime } from '../../sidecar/runtime/runtime.ts';
import {
  eventually,
  fixture,
  freePort,
  killLeftovers,
  processesOf,
  send,
  temporaryFolder,
  tokenVariable,
} from '../support/processes.ts';
import type { Bench } from './runtime.ts';

export async function makeSpec(over: Partial<ReplicaSpec> = {}): Promise<ReplicaSpec> {
  return {
    service: 'backend',
    color: 'blue',
    slot: 1,
    address: `127.0.0.1:${await freePort()}`,
    release: 'v1',
    deployment: 'd1',
    command: fixture.serves,
    cwd: '/',
    env: {},
    stop: { signal: 'SIGTERM', timeout: 5000 },
    container: null,
    ...over,
  };
}

/** A state folder of its own, and a way to see and to end everything that was started on it. */
export class ProcessBench implements Bench {
  readonly token = randomUUID();
  readonly state: string;
  /** The environment of the sidecar. */
  readonly env: Record<string, string>;
  readonly runtime: Runtime;
  readonly spec = makeSpec;

  static async make(env: Record<string, string> = {}): Promise<ProcessBench> {
    return new ProcessBench(await temporaryFolder(), env);
  }

  private constructor(state: string, env: Record<string, string>) {
    this.state = state;
    this.env = { PATH: process.env.PATH ?? '', ...tokenVariable(this.token), ...env };
    this.runtime = this.newRuntime();
  }

  /** A sidecar that knows no more than what the folder and /proc tell. */
  newRuntime(): ProcessRuntime {
    return new ProcessRuntime({ state: this.state, env: this.env });
  }

  async startShort(spec: ReplicaSpec, lines: string[], code: number): Promise<Replica> {
    return this.runtime.start({ ...spec, command: fixture.speaks(lines, code) });
  }

  async startSpeaker(spec: ReplicaSpec): Promise<Replica> {
    return this.startReady(spec);
  }

  async speak(replica: Replica, lines: string[]): Promise<void> {
    await send(replica.address, lines.map((line) => `${line}\n`).join(''));
  }

  async startRefused(spec: ReplicaSpec): Promise<Replica> {
    return this.runtime.start({ ...spec, command: ['no-such-program-anywhere'] });
  }

  /** Starts and waits until it has printed `ready`. */
  async startReady(over: Partial<ReplicaSpec> = {}, runtime = this.runtime): Promise<Replica> {
    const replica = await runtime.start(await this.spec(over));
    await this.says(replica, 'ready');
    return replica;
  }

  /** Waits for a line that begins so, and yields the rest of it. */
  async says(replica: Replica, begin: string): Promise<string> {
    const line = await eventually(`the replica says "${begin}"`, async () =>
      (await this.runtime.tail(replica, 1000)).find((one) => one.startsWith(begin)),
    );
    return line.slice(begin.length).trim();
  }

  living(): number[] {
    return processesOf(this.token);
  }

  recordPath({ service, color, slot }: Pick<Replica, 'service' | 'color' | 'slot'>): string {
    return join(this.state, 'replicas', service, `${color}-${slot}.json`);
  }

  logPath({ service, color, slot, deployment }: Replica): string {
    return join(this.state, 'logs', service, `${color}-${slot}-${deployment}.log`);
  }

  async pid(replica: Replica): Promise<number> {
    return JSON.parse(await readFile(this.recordPath(replica), 'utf8')).process.pid;
  }

  /** A record of a replica that was never started. */
  async forge({ alive: _, ...replica }: Replica, process: ProcessIdentity): Promise<void> {
    const record = { schema: 1, ...replica, process, log: { path: this.logPath({ ...replica, alive: false }), from: 0 } };
    await mkdir(dirname(this.recordPath(replica)), { recursive: true });
    await writeFile(this.recordPath(replica), JSON.stringify(record));
  }

  async close(): Promise<void> {
    try {
      for (const replica of await this.newRuntime().list()) await this.runtime.stop(replica, { signal: 'SIGKILL', timeout: 0 });
      expect(this.living()).toEqual([]);
    } finally {
      killLeftovers(this.token);
      await rm(this.state, { recursive: true, force: true });
    }
  }
}
