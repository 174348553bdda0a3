import type { Color } from '../../njs/route.ts';
import type { ContainerConfig } from '../config/config.ts';
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
  /** Program and arguments. In a container an empty one means what the image says. */
  command: string[];
  /** Absolute. In a container the image decides: not used. */
  cwd: string;
  /** The service's own variables, on top of what the runtime hands over. Values may be secret: never log them. */
  env: Record<string, string>;
  /** How it will be asked to end, for whoever ends it without us: a daemon that shuts down. */
  stop: StopOptions;
  /** Null: a process of this machine. */
  container: ContainerSpec | null;
}

/** What a container gets beside a command and its environment. */
export interface ContainerSpec extends ContainerConfig {
  /** As `prepare` has answered: exactly this image, whatever its tag means by now. */
  image: string;
  /** Handed over as /run/secrets/<name>: absolute paths of files that are read when the replica starts. */
  secrets: Record<string, string>;
  /** Cores; null: all of them. */
  cpus: number | null;
  /** Bytes; null: all there is. */
  memory: number | null;
}

/** The image that a deployment wants. */
export interface ImageRequest {
  /** As people write it: `registry.example/backend:v2`. */
  reference: string;
  /** Exactly which, when an earlier deployment has found out; null: whatever `reference` means now. */
  pinned: string | null;
  /** `always` asks the registry each time, `missing` only when the image is not here, `never` not at all. */
  pull: 'always' | 'missing' | 'never';
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
  /** The runtime itself starts it again after a crash or a reboot: see `keep`. Null where no runtime could. */
  kept: boolean | null;
}

export interface StopOptions {
  /** Sent first, e.g. SIGTERM. */
  signal: NodeJS.Signals;
  /** Milliseconds until SIGKILL. */
  timeout: number;
}

export interface MatchOptions {
  /** Lines that are there already and are looked at, too: at most so many of the last, as far as a bounded look back goes. Default 0. */
  back?: number;
  /** Told each line that matches, in their order. Default: nobody. */
  heard?: (line: string) => void;
  /** Whether a stop may take a moment longer so that the very last lines are read. Default true. */
  lastWords?: boolean;
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
  /**
   * Makes sure that the image is here, and answers exactly which it is: the same words mean the same image for ever.
   * `told` hears how far it is, in prose, now and then. Rejects with `image-unavailable` that names the image.
   */
  prepare(image: ImageRequest, told: (progress: string) => void, signal: AbortSignal): Promise<string>;
  /** Exactly which image a `prepare` of this would answer now, as far as that can be told without fetching it; null: it can't. */
  identify(image: ImageRequest): Promise<string | null>;
  /** Removes those of these images (as `prepare` answered them) that nothing runs; answers the ones that are gone. */
  prune(images: string[]): Promise<string[]>;
  /** All replicas of this state folder, or of one service, dead ones included until they are stopped. */
  list(service?: string): Promise<Replica[]>;
  /** Rejects with `runtime-unusable` and leaves nothing behind when it cannot be started. Does not wait for health. */
  start(spec: ReplicaSpec): Promise<Replica>;
  /** From now on the runtime itself starts it again after a crash or a reboot, until it is stopped. */
  keep(replica: Replica): Promise<void>;
  /** Signal, then SIGKILL after the limit; resolves when the whole process tree is gone and the slot is free. */
  stop(replica: Replica, options: StopOptions): Promise<void>;
  /** The last `lines` lines of its output, oldest first; empty when it wrote nothing. */
  tail(replica: Replica, lines: number): Promise<string[]>;
  /** What it uses now; null when it is gone. `cpu` is measured from one call for this replica to the next. */
  resources(replica: Replica): Promise<Resources | null>;
  /**
   * Counts lines of output that match, from those written after this call on. `count` is how many so far, `last` the
   * latest of them; `end` stops it. Reads at most a bounded share of a flood of output, and says so in `skippedBytes`.
   * With `back` the lines before the call come first, and none between is missed or told twice.
   */
  matchOutput(replica: Replica, pattern: RegExp, options?: MatchOptions): OutputMatches;
  /** Ends what carries the mark of this state folder and belongs to no replica that is known; answers the pids or ids. */
  sweep(): Promise<string[]>;
  /** Calls back soon after any replica that this process started has died. Returns the way to stop listening. */
  onExit(listener: (replica: Replica) => void): () => void;
}
