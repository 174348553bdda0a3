import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { TurnoutError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { FoundContainer, GatewayContainer } from './container.ts';
import type { GatewayHost } from './host.ts';
import { configuration } from './installed.ts';
import { knock } from './knock.ts';

/** Milliseconds between two knocks at the control socket, and how many in a row without an answer mean stuck. */
const KNOCK = 1500;
const STUCK = 3;
/** Milliseconds in which the workers of a new configuration have started. */
const RELOAD = 5000;
/** Milliseconds between two tries to start it. */
const AGAIN = 1000;
/** Exit code of a process that was ended by SIGKILL. */
const KILLED = 137;

/**
 * A gateway in a container that compose, or whoever made it, starts and stops. What a restart policy leaves lying (docker
 * kill, a gateway that hangs), the sidecar starts again; what somebody has stopped stays stopped.
 */
export class ContainerHost implements GatewayHost {
  private readonly stopping = new AbortController();
  private watching: Promise<unknown> = Promise.resolve();
  private stopListening: () => void = () => undefined;
  /** Whether there ever was one: the absence of a gateway that never was means nothing. */
  private seen = false;

  constructor(
    private readonly folder: string,
    private readonly container: GatewayContainer,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  async test(conf: string): Promise<void> {
    const found = await this.find();
    if (found?.state !== 'running') return;
    const { folder } = this;
    const words = ['nginx', '-t', '-q', '-p', `${folder}/`, '-e', 'stderr', '-c', join(conf, 'nginx.conf')];
    const { code, output } = await this.container.exec(found.id, words);
    if (code === 0) return;
    throw new TurnoutError('nginx-refused', `nginx -t refuses the rendered configuration:\n${output.trim()}`);
  }

  async start(changed: boolean): Promise<void> {
    this.stopListening = this.container.onEnd(({ id, deliberate }) => {
      if (deliberate) this.log.info({ container: id }, 'gateway was stopped');
      else void this.bringBack('gateway died; starting it anew');
    });
    const found = await this.find();
    if (!found) this.log.warn('no container is labelled dev.turnout.role=gateway yet: none is told of changes');
    else if (found.state === 'running' && changed) await this.hangUp(found);
    // While nobody looked: killed is not stopped.
    else if (found.state === 'exited' && found.exitCode === KILLED) await this.bringBack('gateway was killed; starting it anew');
    this.watching = this.watchAnswers();
  }

  async reload(limit: number): Promise<void> {
    const found = await this.find();
    if (found?.state !== 'running') return;
    await this.hangUp(found);
    const wanted = await configuration(this.folder);
    if (!(await this.until(async () => (await knock(this.socket, this.clock)).configuration === wanted, RELOAD))) {
      throw new TurnoutError(
        'gateway-unusable',
        `nginx has not taken the new configuration within ${RELOAD} ms; the old one is in force`,
        { hint: `See \`docker logs ${found.name}\`.` },
      );
    }
    const old = async () => (await this.container.titles(found.id)).some((title) => title.includes('shutting down'));
    await this.until(async () => !(await old()), limit);
  }

  async stop(): Promise<boolean> {
    this.stopping.abort();
    this.stopListening();
    await this.watching;
    // Compose removes the gateway first when everything goes, and keeps it when it only stops. An engine that is away, because it
    // restarts, proves nothing.
    const found = await this.find().catch(() => undefined);
    return this.seen && found === null;
  }

  /** From inside: whoever signals from outside counts as having stopped it, and no restart policy brings it back from then on. */
  private async hangUp({ id, name }: FoundContainer): Promise<void> {
    const { code, output } = await this.container.exec(id, ['sh', '-c', 'kill -HUP 1']);
    if (code !== 0) throw new TurnoutError('gateway-unusable', `nginx in ${name} cannot be told to reload: ${output.trim()}`);
  }

  private get socket(): string {
    return join(this.folder, 'control.sock');
  }

  private async find(): Promise<FoundContainer | null> {
    const found = await this.container.find();
    if (found) this.seen = true;
    return found;
  }

  private async bringBack(why: string): Promise<void> {
    for (let failed = ''; !this.stopping.signal.aborted; ) {
      try {
        const found = await this.find();
        if (found?.state !== 'exited') return;
        this.log.error({ container: found.name, exitCode: found.exitCode }, why);
        await this.container.start(found.id);
        return;
      } catch (error) {
        const { message } = error as Error;
        if (message !== failed) this.log.error({ error: message }, 'gateway does not start; trying again');
        failed = message;
        await this.clock.sleep(AGAIN, this.stopping.signal);
      }
    }
  }

  private async watchAnswers(): Promise<void> {
    let silent = 0;
    while (!this.stopping.signal.aborted) {
      if (silent === 0) await this.clock.rest(KNOCK, this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      silent = (await knock(this.socket, this.clock)).answer === 'silent' ? silent + 1 : 0;
      if (silent < STUCK) continue;
      await this.end(silent).catch((error: Error) => this.log.error({ error: error.message }, 'a stuck gateway cannot be ended'));
      silent = 0;
    }
  }

  /** Whoever listens to its end starts it again. */
  private async end(knocks: number): Promise<void> {
    const found = await this.find();
    if (found?.state !== 'running') return;
    this.log.error({ container: found.name, knocks }, 'gateway is stuck; ending it');
    await this.container.kill(found.id);
  }

  private async until(condition: () => Promise<boolean>, limit: number): Promise<boolean> {
    const end = this.clock.now() + limit;
    while (!(await condition())) {
      if (this.clock.now() >= end) return false;
      await this.clock.sleep(50);
    }
    return true;
  }
}
