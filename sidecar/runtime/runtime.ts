import type { Color } from '../../njs/route.ts';
import type { Resources } from './resources.ts';

/** Where a replica runs: the numbered place of a color, with its fixed address. */
export interface Slot {
  service: string;
  color: Color;
  /** 1 .. maxReplicas */
  slot: number;
  /** `host:port`, as nginx dials it. Never moves while the service exists. */
  address: string;
}

/** What to run in a slot. Every `{release}` has been filled in already. */
export interface ReplicaSpec extends Slot {
  release: string;
  /** The id of the deployment that starts it; names its log file. */
  deployment: string;
  command: string[];
  /** Absolute. */
  cwd: string;
  /** The service's own variables, on top of what the runtime hands over. Values may be secret: never log them. */
  env: Record<string, string>;
}

/** A replica that the runtime has started and not yet removed, dead or alive. */
export interface Replica extends Slot {
  /** Opaque, unique for ever: two replicas in the same slot have different ids. */
  id: string;
  release: string;
  deployment: string;
  /** ISO 8601 */
  startedAt: string;
  alive: boolean;
  /** How it ended, as far as known: null while alive, and for one that ended while nobody watched. */
  exit: { code: number | null; signal: string | null } | null;
}

export interface StopOptions {
  /** Sent first, e.g. SIGTERM. */
  signal: NodeJS.Signals;
  /** Milliseconds until SIGKILL. */
  timeout: number;
}

export interface OutputMatches {
  readonly count: number;
  /** Null before the first. */
  readonly last: string | null;
  readonly skippedBytes: number;
  end(): void;
}

/**
 * Runs replicas and finds them again. Every call may be repeated: starting into a slot that already holds a living
 * replica of the same deployment returns that one, and stopping one that is gone succeeds.
 */
export interface Runtime {
  /** All replicas of this state folder, or of one service, dead ones included until they are stopped. */
  list(service?: string): Promise<Replica[]>;
  /** Rejects with `runtime-unusable` and leaves nothing behind when it cannot be started. Does not wait for health. */
  start(spec: ReplicaSpec): Promise<Replica>;
  /** Signal, then SIGKILL after the limit; resolves when the whole process tree is gone and the slot is free. */
  stop(replica: Replica, options: StopOptions): Promise<void>;
  /** The last `lines` lines of its output, oldest first; empty when it wrote nothing. */
  tail(replica: Replica, lines: number): Promise<string[]>;
  /** What it uses now; null when it is gone. `cpu` is measured from one call for this replica to the next. */
  resources(replica: Replica): Promise<Resources | null>;
  /**
   * Counts lines of output that match, from those written after this call on. `count` is how many so far, `last` the
   * latest of them; `end` stops it. Reads at most a bounded share of a flood of output, and says so in `skippedBytes`.
   */
  matchOutput(replica: Replica, pattern: RegExp): OutputMatches;
  /** Ends what carries the mark of this state folder and belongs to no replica that is known; answers the pids or ids. */
  sweep(): Promise<string[]>;
  /** Calls back soon after any replica that this process started has died. Returns the way to stop listening. */
  onExit(listener: (replica: Replica) => void): () => void;
}
