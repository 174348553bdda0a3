import type { ChildProcess } from 'node:child_process';
import type { ProcessIdentity } from '../../process-identity.ts';
import { identify, isAlive, processGroup } from '../../process-identity.ts';
import type { Replica } from '../runtime.ts';

/** A replica that this very process has spawned, and whose end it is therefore told. */
export class OwnChild {
  readonly identity: ProcessIdentity;
  /** Settles as soon as `exit` is known. */
  readonly exited: Promise<void>;
  /** Settles when the listeners have been told, too. */
  readonly reported: Promise<void>;
  exit: Replica['exit'] = null;
  /** What was left of its group at its end; later the group's number may be a stranger's. */
  survivors: ProcessIdentity[] = [];
  #markReported!: () => void;

  /** To be called in the same turn of the event loop as the spawn: until its end the child cannot be reaped. */
  constructor(child: ChildProcess, identity: ProcessIdentity) {
    this.identity = identity;
    this.reported = new Promise((resolve) => {
      this.#markReported = resolve;
    });
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.exit = { code, signal };
        this.survivors = processGroup(identity.pid)
          .map(identify)
          .filter((member) => member !== null);
        resolve();
      });
    });
  }

  /** Looks, and so knows of an end that was not told yet. */
  get alive(): boolean {
    return this.exit === null && isAlive(this.identity);
  }

  markReported(): void {
    this.#markReported();
  }
}
