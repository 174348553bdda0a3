import { isDeepStrictEqual } from 'node:util';
import type { Config, ServiceConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Conductor } from './conductor.ts';

export interface FleetParts {
  make(service: ServiceConfig): Conductor;
  /** Addresses and nginx: validated whole, then in force; resolves when the old workers have ended, or `limit` ms are over. */
  apply(config: Config, limit: number): Promise<void>;
  /** Stops what still runs of a service that is gone, and forgets its route. */
  forget(service: ServiceConfig): Promise<void>;
  log: Log;
}

export interface Reloaded {
  added: string[];
  changed: string[];
  removed: string[];
}

/** The conductors of all services, and what a reload makes of them. */
export class Fleet {
  private present: Conductor[];
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private config: Config,
    private readonly parts: FleetParts,
  ) {
    this.present = config.services.map((service) => parts.make(service));
  }

  get conductors(): Conductor[] {
    return this.present;
  }

  start(): void {
    for (const conductor of this.present) conductor.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.present.map((conductor) => conductor.stop()));
  }

  /** Applied or refused whole; one after another. */
  reload(next: Config, options: { remove: boolean }): Promise<Reloaded> {
    const turn = this.last.then(() => this.apply(next, options));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async apply(next: Config, { remove }: { remove: boolean }): Promise<Reloaded> {
    const before = new Map(this.config.services.map((service) => [service.name, service]));
    const after = new Map(next.services.map((service) => [service.name, service]));
    const added = next.services.filter((service) => !before.has(service.name));
    const gone = this.config.services.filter((service) => !after.has(service.name));
    const changed = next.services.filter(
      (service) => before.has(service.name) && !isDeepStrictEqual(service, before.get(service.name)),
    );
    this.refuseFixed(next);
    if (!remove) await this.refuseServing(gone);
    await this.refuseShrinking(changed);
    await this.parts.apply(next, Math.max(0, ...gone.map((service) => service.drain.timeout)));
    this.config = next;
    for (const service of gone) await this.drop(service);
    for (const service of changed) this.find(service.name)?.configure(service);
    const fresh = added.map((service) => this.parts.make(service));
    this.present = [...this.present, ...fresh];
    for (const conductor of fresh) conductor.start();
    const names = (services: ServiceConfig[]) => services.map((service) => service.name);
    const done = { added: names(added), changed: names(changed), removed: names(gone) };
    this.parts.log.info(done, 'reloaded');
    return done;
  }

  private find(name: string): Conductor | undefined {
    return this.present.find((conductor) => conductor.name === name);
  }

  private async drop(service: ServiceConfig): Promise<void> {
    await this.find(service.name)?.stop();
    this.present = this.present.filter((conductor) => conductor.name !== service.name);
    await this.parts.forget(service);
  }

  /** What cannot change while the sidecar runs. */
  private refuseFixed(next: Config): void {
    const fixed = ({ state, runtime, docker, gateway, api }: Config) => {
      const always = { state, runtime, 'api.listen': api.listen, 'gateway.managed': gateway.managed };
      return runtime === 'docker' ? { ...always, docker } : always;
    };
    const now = fixed(this.config);
    const wrong = Object.entries(fixed(next)).filter(([key, value]) => !isDeepStrictEqual(value, now[key as keyof typeof now]));
    if (wrong.length === 0) return;
    throw new TurnoutError(
      'config-invalid',
      `${next.file}: ${wrong.map(([key]) => key).join(', ')} cannot change while the sidecar runs`,
      {
        hint: 'Stop `turnout up` and start it again; nothing was changed.',
      },
    );
  }

  private async refuseServing(gone: ServiceConfig[]): Promise<void> {
    for (const service of gone) {
      const view = await this.find(service.name)?.view();
      if (!view || (view.active === null && view.colors.blue.replicas.length + view.colors.green.replicas.length === 0)) continue;
      throw new TurnoutError(
        'service-serves',
        `${service.name} is not in the file any more, but it serves ${view.colors[view.active ?? 'blue'].release}`,
      );
    }
  }

  /** A route must never name a set of slots that nginx does not know. */
  private async refuseShrinking(changed: ServiceConfig[]): Promise<void> {
    for (const service of changed) {
      const view = await this.find(service.name)?.view();
      const slots = view ? [...view.colors.blue.replicas, ...view.colors.green.replicas].map((one) => one.slot) : [];
      const highest = Math.max(0, ...slots);
      if (highest <= service.maxReplicas) continue;
      throw new TurnoutError(
        'config-invalid',
        `${service.name}: maxReplicas is ${service.maxReplicas}, but slot ${highest} is in use`,
        {
          hint: 'Deploy with fewer replicas first; nothing was changed.',
        },
      );
    }
  }
}
