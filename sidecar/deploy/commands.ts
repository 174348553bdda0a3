import { randomBytes } from 'node:crypto';
import { type Color, otherColor, type Route } from '../../njs/route.ts';
import { fillRelease } from '../config/release.ts';
import { TurnoutError } from '../errors.ts';
import type { ImageRequest } from '../runtime/runtime.ts';
import { type Deployment, isEnd } from '../store/deployment.ts';
import { previousRun, type Run, runningDeployment } from '../store/record.ts';
import { markOf } from '../watch/counts.ts';
import type { Engine } from './engine.ts';
import { type Observed, replicasOf } from './observed.ts';

export interface DeployRequest {
  release: string;
  /** Instead of the configured one; `{release}` is filled in. Null: the configured one. */
  image: string | null;
  /** Exactly which image, when it is known from before. Null: whatever `image` means now. */
  digest: string | null;
  /** Deploy even if this release is live and healthy. */
  force: boolean;
  /** Wait for `promote` before the switch, whatever the configuration says. */
  hold: boolean;
  by: string;
}

/** What people and pipelines ask of one service. Those that begin something take turns. */
export class Commands {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    /** A deployment begins with the newest configuration. */
    private readonly adoptConfig: () => void,
    private readonly noteFlip: (route: Route) => Promise<void>,
  ) {}

  /** Accepts a deployment; `noop` when that release is live and healthy already. Refused with `busy` while another runs. */
  deploy(request: DeployRequest): Promise<{ deployment: Deployment; noop: boolean }> {
    return this.inTurn(async () => {
      const { record, observer, ports, recorder, log, wake } = this.engine;
      this.refuseIfBusy();
      if (recorder.broken)
        throw new TurnoutError('disk-unusable', 'the journal takes nothing, so no deployment could be followed');
      const observed = await observer.snapshot();
      const { route } = observed;
      if (route === 'unknown')
        throw new TurnoutError('gateway-unusable', `the gateway does not tell the route of ${record.service}`);
      this.adoptConfig();
      const wanted = this.imageOf(request);
      const live = this.liveDeployment(observed, route, request.release);
      if (live && !request.force && (await this.isSameImage(live, wanted))) return { deployment: live, noop: true };
      const { replicas, promote, name } = this.engine.config();
      const traffic = await ports.gateway.traffic(name).catch(() => null);
      const { release, by } = request;
      await recorder.write({
        kind: 'accepted',
        service: name,
        deployment: `${ports.clock.date().getTime().toString(36)}${randomBytes(2).toString('hex')}`,
        release,
        image: wanted?.reference ?? null,
        digest: wanted?.pinned ?? null,
        previous: route?.colors[route.active].release ?? null,
        color: this.idleColor(route),
        slots: Array.from({ length: replicas }, (_, index) => index + 1),
        // A first release has nobody to wait for: without it nothing serves at all.
        promote: request.hold ? 'manual' : route === null ? 'auto' : promote,
        by,
        traffic: traffic && markOf(traffic),
      });
      const deployment = record.deployments.at(-1) as Deployment;
      log.info({ deployment: deployment.id, release, color: deployment.color, by }, 'deployment accepted');
      wake();
      return { deployment, noop: false };
    });
  }

  /** The flip by hand; never busy. Resolves with the route once it is in force and recorded. */
  async switchTo(color: Color, options: { force: boolean; by: string }): Promise<Route> {
    const route = await this.engine.ports.gateway.switch(this.engine.record.service, color, options);
    await this.noteFlip(route);
    this.engine.wake();
    return route;
  }

  /** Back to the release before: a switch while it is warm, else a deployment of it. */
  async rollback(by: string): Promise<{ route: Route } | { deployment: Deployment }> {
    const { record, ports } = this.engine;
    const route = await ports.gateway.route(record.service);
    if (route) {
      const other = otherColor(route.active);
      const { ready, slots } = route.colors[other];
      if (ready && slots.length > 0 && !this.isUntried(other)) return { route: await this.switchTo(other, { force: false, by }) };
    }
    this.refuseIfBusy();
    const run = previousRun(record);
    if (run === null) throw new TurnoutError('nothing-to-roll-back-to', `${record.service} never served another release`);
    return { deployment: (await this.deploy({ ...run, force: false, hold: false, by })).deployment };
  }

  /** Lets a waiting deployment go on to the switch. */
  promote(id: string, by: string): Promise<Deployment> {
    return this.inTurn(async () => {
      const deployment = this.running(id);
      if (deployment.phase !== 'waiting') {
        throw new TurnoutError('not-waiting', `deployment ${id} is ${deployment.phase}, expected waiting`);
      }
      await this.engine.recorder.write({ kind: 'promoted', service: this.engine.record.service, deployment: id, by });
      this.engine.wake();
      return deployment;
    });
  }

  /** Ends a running deployment: `failed` before it had traffic, `rolled-back` after. */
  abort(id: string, by: string): Promise<Deployment> {
    return this.inTurn(async () => {
      const { record, recorder, tasks, wake } = this.engine;
      const deployment = this.running(id);
      if (!record.facts.failing) {
        await recorder.note({
          kind: 'failing',
          service: record.service,
          deployment: id,
          reason: 'aborted',
          message: `aborted by ${by}`,
        });
      }
      await tasks.abort();
      wake();
      return deployment;
    });
  }

  private running(id: string): Deployment {
    const deployment = this.engine.record.deployments.find((one) => one.id === id);
    if (!deployment) throw new TurnoutError('unknown-deployment', `there is no deployment "${id}"`);
    if (!isEnd(deployment.phase)) return deployment;
    throw new TurnoutError('not-running', `deployment ${id} has ended as ${deployment.phase}`);
  }

  /** Without a route in the gateway, the color that served last is spared: it may be all that is left. */
  private idleColor(route: Route | null): Color {
    const serving = route?.active ?? this.engine.record.flips.at(-1)?.to;
    return serving === undefined ? 'blue' : otherColor(serving);
  }

  /** A color that waits for its first traffic is ahead, not behind: rolling back does not go there. */
  private isUntried(color: Color): boolean {
    return runningDeployment(this.engine.record)?.color === color;
  }

  private liveDeployment(observed: Observed, route: Route | null, release: string): Deployment | null {
    if (route === null || route.colors[route.active].release !== release) return null;
    const serving = replicasOf(observed, route.active).filter((one) => route.colors[route.active].slots.includes(one.slot));
    if (serving.length === 0 || serving.some((one) => !one.alive || one.health.state !== 'healthy')) return null;
    return this.engine.record.deployments.findLast((one) => one.release === release && one.color === route.active) ?? null;
  }

  /** Null: a process of this machine. */
  private imageOf({ release, image, digest }: Pick<DeployRequest, 'image' | 'digest' | 'release'>): ImageRequest | null {
    const { name, image: configured, pull } = this.engine.config();
    if (configured === null) {
      if (image === null) return null;
      throw new TurnoutError('usage', `an image is given (${image}), but ${name} runs as a process`, {
        hint: 'Leave the image out, or set `runtime: docker`.',
      });
    }
    return { reference: fillRelease(image ?? configured, release), pinned: digest, pull };
  }

  /** The same label may mean another image by now. */
  private async isSameImage(live: Run, wanted: ImageRequest | null): Promise<boolean> {
    return wanted === null || live.digest === (await this.engine.ports.runtime.identify(wanted));
  }

  private refuseIfBusy(): void {
    const running = runningDeployment(this.engine.record);
    if (!running) return;
    const { id, release, by, phase, startedAt } = running;
    const age = Math.round((this.engine.ports.clock.date().getTime() - Date.parse(startedAt)) / 1000);
    throw new TurnoutError('busy', `deployment ${id} of ${release} by ${by} is ${phase}; it was accepted ${age} s ago`);
  }

  private inTurn<T>(command: () => Promise<T>): Promise<T> {
    const turn = this.last.then(command);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
