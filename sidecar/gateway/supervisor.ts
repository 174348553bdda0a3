import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Address } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { Log } from '../log.ts';
import { isAlive, type ProcessIdentity } from '../process-identity.ts';
import type { GatewayHost } from './host.ts';
import { test } from './install.ts';
import { knock } from './knock.ts';
import { findMaster, findMembers, recordedMaster } from './processes.ts';
import { listenAddress } from './render.ts';

/** Milliseconds between two looks at the master process: a killed gateway is back within a second. */
const LOOK = 250;
/** Milliseconds between two knocks at the control socket, and how many in a row without an answer mean stuck. */
const KNOCK = 1500;
const STUCK = 3;
/** Milliseconds that requests in flight get when the gateway is stopped. */
const QUIT = 10_000;
/** Milliseconds in which the workers of a new configuration have started. */
const RELOAD = 5000;

/** Keeps the gateway running: starts it, adopts one that runs, and starts it anew when it died or answers no more. */
export class GatewaySupervisor implements GatewayHost {
  private readonly stopping = new AbortController();
  private master: ProcessIdentity | null = null;
  private watching: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly folder: string,
    /** The words that start nginx. */
    private readonly command: string[],
    private listen: Address,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  test(conf: string): Promise<void> {
    return test(this.command, this.folder, conf);
  }

  /** Adopts the gateway that runs, told to read its configuration again if that `changed`, or starts one. */
  async start(changed: boolean): Promise<void> {
    this.master = findMaster(this.folder);
    if (this.master) {
      this.log.info({ pid: this.master.pid }, 'gateway adopted');
      if (changed) process.kill(this.master.pid, 'SIGHUP');
    } else {
      if (findMembers(this.folder, recordedMaster(this.folder)).length === 0) await assertFree(this.listen);
      await this.launch();
    }
    this.watching = Promise.all([this.watchMaster(), this.watchAnswers()]);
  }

  async reload(limit: number, listen: Address): Promise<void> {
    this.listen = listen;
    const master = findMaster(this.folder);
    if (!master) return;
    const old = findMembers(this.folder, master.pid).filter((pid) => pid !== master.pid);
    process.kill(master.pid, 'SIGHUP');
    const fresh = () => findMembers(this.folder, master.pid).some((pid) => pid !== master.pid && !old.includes(pid));
    if (!(await this.until(fresh, RELOAD))) {
      throw new TurnoutError(
        'gateway-unusable',
        `nginx has not taken the new configuration within ${RELOAD} ms; the old one is in force`,
      );
    }
    await this.until(() => !findMembers(this.folder, master.pid).some((pid) => old.includes(pid)), limit);
  }

  /** Lets requests in flight end, up to 10 s, then ends every process of the gateway. */
  async stop(): Promise<boolean> {
    this.stopping.abort();
    await this.watching;
    // Its pid file may be gone; who was started or adopted is known.
    const master = findMaster(this.folder) ?? (this.master && isAlive(this.master) ? this.master : null);
    if (master) process.kill(master.pid, 'SIGQUIT');
    const group = master?.pid ?? recordedMaster(this.folder);
    await this.until(() => findMembers(this.folder, group).length === 0, QUIT);
    await this.kill(group);
    return true;
  }

  private async until(condition: () => boolean, limit: number): Promise<boolean> {
    const end = this.clock.now() + limit;
    while (!condition() && this.clock.now() < end) await this.clock.sleep(20);
    return condition();
  }

  private async watchMaster(): Promise<void> {
    let failed = '';
    while (!this.stopping.signal.aborted) {
      await this.clock.rest(LOOK, this.stopping.signal);
      if (this.stopping.signal.aborted || (this.master && isAlive(this.master))) continue;
      try {
        if (failed === '') this.log.error('gateway died; starting it anew');
        await this.launch();
        failed = '';
      } catch (error) {
        const message = (error as Error).message;
        if (message !== failed) this.log.error({ error: message }, 'gateway does not start; trying again');
        failed = message;
        await this.clock.sleep(KNOCK, this.stopping.signal);
      }
    }
  }

  private async watchAnswers(): Promise<void> {
    let silent = 0;
    while (!this.stopping.signal.aborted) {
      if (silent === 0) await this.clock.rest(KNOCK, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      const { answer } = await knock(join(this.folder, 'control.sock'), this.clock);
      // A dead master is the other watcher's business; a late timer proves nothing about the gateway.
      silent = answer === 'silent' && this.master && isAlive(this.master) ? silent + 1 : 0;
      if (silent < STUCK) continue;
      this.log.error({ knocks: silent }, 'gateway is stuck; ending all of its processes');
      await this.kill(recordedMaster(this.folder));
      silent = 0;
    }
  }

  /** The group is given, not read again: a new gateway may have written the pid file by now. */
  private async kill(group: number | null): Promise<void> {
    for (let left = findMembers(this.folder, group); left.length > 0; left = findMembers(this.folder, group)) {
      for (const pid of left) killIfThere(pid);
      await this.clock.sleep(10);
    }
  }

  private async launch(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      execFile(join(this.folder, 'start'), (error, stdout, stderr) => {
        if (!error) return resolve();
        const said = `${stderr}${stdout}`.trim() || error.message;
        reject(new TurnoutError('gateway-unusable', `the gateway does not start:\n${said}`));
      });
    });
    // The start script's nginx has gone to the background; its master writes the pid file a moment later.
    for (let tries = 0; tries < 100; tries++) {
      this.master = findMaster(this.folder);
      if (this.master) {
        this.log.info({ pid: this.master.pid, listen: listenAddress(this.listen) }, 'gateway started');
        return;
      }
      await this.clock.sleep(10);
    }
    throw new TurnoutError('gateway-unusable', 'nginx started, but no process wrote its pid within 1 s');
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Says who is in the way before nginx tries for two seconds and says it less clearly. */
export function assertFree(listen: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message;
      reject(
        new TurnoutError('gateway-unusable', `gateway.listen is ${listenAddress(listen)}, but ${why}`, {
          hint: 'Stop that process, or give gateway.listen another address in turnout.yaml.',
        }),
      );
    });
    server.listen(listen.port, listen.host, () => server.close(() => resolve()));
  });
}
