import { setTimeout as sleep } from 'node:timers/promises';

import type { DockerConfig } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Resources } from '../resources.ts';
import type {
  ContainerSpec,
  ImageRequest,
  MatchOptions,
  OutputMatches,
  Replica,
  ReplicaSpec,
  Runtime,
  StopOptions,
} from '../runtime.ts';
import { SlotLock, slotKey } from '../slot-lock.ts';
import { endContainer } from './ending.ts';
import { Engine } from './engine.ts';
import { Images } from './images.ts';
import { containerName, LABEL } from './labels.ts';
import { Launcher } from './launch.ts';
import { OutputFollower } from './output-follower.ts';
import { removeContainer } from './removal.ts';
import { containerOf, firstWords, shortId } from './replica.ts';
import { ReplicaWatch } from './replica-watch.ts';
import { ResourceMeter } from './resource-meter.ts';
import { sweepContainers } from './sweep.ts';
import { tailContainer } from './tail.ts';

/** Milliseconds that the last words of a replica get to arrive before its container is removed. */
const LAST_WORDS = 1000;

/** Replicas as containers of a Docker Engine. They outlive the sidecar; the next one finds them by their labels. */
export class DockerRuntime implements Runtime {
  readonly #config: DockerConfig;
  readonly #engine: Engine;
  readonly #images: Images;
  readonly #launcher: Launcher;
  readonly #watch: ReplicaWatch;
  readonly #meter: ResourceMeter;
  readonly #lock = new SlotLock();
  readonly #followers = new Set<OutputFollower>();
  /** Stops under way, by slot: a start waits for them. */
  readonly #stopping = new Map<string, Promise<unknown>>();

  constructor({ docker, log }: { docker: DockerConfig; log?: Log }) {
    this.#config = docker;
    this.#engine = new Engine(docker);
    this.#images = new Images(this.#engine, docker.registryAuth);
    this.#launcher = new Launcher(this.#engine, docker);
    this.#watch = new ReplicaWatch({ engine: this.#engine, network: docker.network, launcher: this.#launcher, log });
    this.#meter = new ResourceMeter(this.#engine);
    this.#watch.listen(({ id }) => this.#meter.forget(id));
  }

  /** Lets go of the engine. What runs goes on. */
  async close(): Promise<void> {
    for (const follower of this.#followers) follower.end();
    this.#meter.close();
    await this.#watch.close();
    this.#engine.close();
  }

  async prepare(image: ImageRequest, told: (progress: string) => void, signal: AbortSignal): Promise<string> {
    return this.#images.prepare(image, told, signal);
  }

  async identify(image: ImageRequest): Promise<string | null> {
    return this.#images.identify(image);
  }

  async prune(images: string[]): Promise<string[]> {
    return this.#images.prune(images);
  }

  async list(service?: string): Promise<Replica[]> {
    const all = await this.#watch.list();
    return service === undefined ? all : all.filter((replica) => replica.service === service);
  }

  async start(spec: ReplicaSpec): Promise<Replica> {
    this.#watch.begin();
    await this.#stopping.get(slotKey(spec));
    const { container } = spec;
    if (container) return this.#lock.run(spec, () => this.#startInto(spec, container));
    throw new TurnoutError('runtime-unusable', `No container is asked for, and ${this.#config.network} runs nothing else`);
  }

  async keep(replica: Replica): Promise<void> {
    const container = containerOf(replica);
    const present = container === null ? null : await this.#watch.table.look(container);
    if (container === null || present?.id !== replica.id || !present.alive) return;
    await this.#engine.ask(`Container ${container} cannot be kept`, (docker) =>
      docker.getContainer(container).update({ RestartPolicy: { Name: 'unless-stopped' } }),
    );
    await this.#watch.table.look(container);
  }

  async stop(replica: Replica, options: StopOptions): Promise<void> {
    this.#watch.begin();
    // The engine ends a container that it measures more slowly.
    this.#meter.forget(replica.id);
    const key = slotKey(replica);
    const mine = this.#end(replica, options);
    const all = Promise.allSettled([this.#stopping.get(key), mine]).then(() => {
      if (this.#stopping.get(key) === all) this.#stopping.delete(key);
    });
    this.#stopping.set(key, all);
    return mine;
  }

  async tail(replica: Replica, lines: number): Promise<string[]> {
    const container = containerOf(replica);
    return container === null ? [] : tailContainer(this.#engine, container, replica, lines);
  }

  async resources(replica: Replica): Promise<Resources | null> {
    const container = containerOf(replica);
    const present = container === null ? null : await this.#watch.get(container);
    if (container === null || present?.id !== replica.id || !present.alive) return this.#meter.forget(replica.id);
    return this.#meter.read(replica.id, container);
  }

  matchOutput(replica: Replica, pattern: RegExp, options: MatchOptions = {}): OutputMatches {
    const container = containerOf(replica) ?? '';
    const { table } = this.#watch;
    const follower = new OutputFollower({
      engine: this.#engine,
      container,
      pattern,
      options,
      began: firstWords(replica),
      isAlive: () => {
        const present = table.get(container);
        return present?.id === replica.id && present.alive;
      },
      nextBegan: () => {
        const present = table.get(container);
        return present && present.id !== replica.id ? firstWords(present) : null;
      },
      onEnd: (one) => this.#followers.delete(one),
    });
    this.#followers.add(follower);
    // Where another runs in the container by now, whatever is still written there is that one's.
    void this.#watch
      .get(container)
      .then((present) => present?.id === replica.id || follower.end())
      .catch(() => {});
    return follower;
  }

  async sweep(): Promise<string[]> {
    return sweepContainers(this.#engine, this.#config.network, this.#launcher);
  }

  onExit(listener: (replica: Replica) => void): () => void {
    this.#watch.begin();
    return this.#watch.listen(listener);
  }

  async #startInto(spec: ReplicaSpec, container: ContainerSpec): Promise<Replica> {
    const name = containerName(this.#config.network, spec);
    const former = await this.#engine.find(`Container ${name} cannot be inspected`, (docker) =>
      docker.getContainer(name).inspect(),
    );
    if (former && former.Config.Labels[LABEL.network] !== this.#config.network) {
      throw new TurnoutError('runtime-unusable', `A container named ${name} is there already, and it is not Turnout's`, {
        hint: `Remove or rename it: docker rename ${name} ${name}-old`,
      });
    }
    const { table } = this.#watch;
    const present = former && (await table.look(shortId(former.Id)));
    if (present?.alive) {
      if (present.deployment === spec.deployment) return present;
      const place = `slot ${spec.slot} of ${spec.service} ${spec.color}`;
      const holder = `release ${present.release} of ${present.deployment}`;
      throw new TurnoutError('runtime-unusable', `${place} is taken: ${holder} runs there`, {
        hint: 'Stop that replica first.',
      });
    }
    return this.#launcher.launch({
      spec,
      container,
      former: former && shortId(former.Id),
      onCreated: (created) => table.expect(created),
      look: (started) => table.look(started),
    });
  }

  async #end(replica: Replica, options: StopOptions): Promise<void> {
    const container = containerOf(replica);
    const { table } = this.#watch;
    if (container === null || (await table.look(container))?.id !== replica.id) return;
    await endContainer(this.#engine, table, { container, id: replica.id }, options);
    await table.look(container);
    const open = [...this.#followers].filter((follower) => follower.container === container && follower.awaited);
    await Promise.race([Promise.all(open.map(({ done }) => done)), sleep(LAST_WORDS, undefined, { ref: false })]);
    await removeContainer(this.#engine, container);
    await table.look(container);
  }
}
