import { randomBytes } from 'node:crypto';

import type { DockerConfig } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import type { ContainerSpec, Replica, ReplicaSpec } from '../runtime.ts';
import { containerOptions } from './container-options.ts';
import type { Engine } from './engine.ts';
import { refusal } from './engine.ts';
import { LABEL } from './labels.ts';
import { explainStart } from './launch-errors.ts';
import { findNetwork } from './network.ts';
import { removeContainer } from './removal.ts';
import { shortId } from './replica.ts';
import { packSecrets, readSecrets, SECRETS_FOLDER } from './secrets.ts';

/** Milliseconds for a start alone: the engine may have to unpack, mount and wait for others. */
const START_LIMIT = 60_000;

export interface Launch {
  spec: ReplicaSpec;
  container: ContainerSpec;
  /** A dead container of the slot, by short id; goes when nothing else hinders the new one. */
  former: string | null;
  /** Told between creation and start. */
  onCreated: (container: string) => void;
  /** Looks at what has been started; part of the start, so that what nobody knows of does not run. */
  look: (container: string) => Promise<Replica | null>;
}

/** Brings containers up, or leaves nothing behind; where the engine goes away in between, once it is back. */
export class Launcher {
  readonly #engine: Engine;
  readonly #config: DockerConfig;
  readonly #underway = new Set<string>();
  /** Failed attempts that may have left something, and when they failed. */
  readonly #forsaken = new Map<string, number>();

  constructor(engine: Engine, config: DockerConfig) {
    this.#engine = engine;
    this.#config = config;
  }

  /** Made by a start of this process that is at work. */
  isUnderway(labels: Record<string, string>): boolean {
    return this.#underway.has(labels[LABEL.attempt] ?? '');
  }

  /** Made by a start of this process that has failed and could not clean up. */
  isForsaken(labels: Record<string, string>): boolean {
    return this.#forsaken.has(labels[LABEL.attempt] ?? '');
  }

  /** Tries again what could not be cleaned up. Answers the short ids of what is gone. */
  async clean(): Promise<string[]> {
    return (await Promise.all([...this.#forsaken.keys()].map((attempt) => this.#discard(attempt)))).flat();
  }

  async launch({ spec, container, former, onCreated, look }: Launch): Promise<Replica> {
    const secrets = await readSecrets(container.secrets);
    const networkId = await findNetwork(this.#engine, this.#config);
    if (former !== null) await removeContainer(this.#engine, former);
    const attempt = randomBytes(8).toString('hex');
    this.#underway.add(attempt);
    try {
      const options = containerOptions(spec, container, { network: this.#config.network, networkId, attempt });
      const wanted = `${options.name} cannot be started`;
      const { id } = await this.#engine.open(wanted, (docker) => docker.createContainer(options), START_LIMIT);
      onCreated(shortId(id));
      if (secrets.length > 0) {
        const archive = await packSecrets(secrets, container.user);
        await this.#engine.ask(`The secrets of ${options.name} cannot be handed over`, (docker) =>
          docker.getContainer(id).putArchive(archive, { path: SECRETS_FOLDER }),
        );
      }
      await this.#engine.open(wanted, (docker) => docker.getContainer(id).start(), START_LIMIT);
      const replica = await look(shortId(id));
      if (replica) return replica;
      throw new TurnoutError('runtime-unusable', `${wanted}: somebody has removed it right away`);
    } catch (error) {
      this.#forsaken.set(attempt, performance.now());
      const explained = await explainStart(this.#engine, this.#config.network, { spec, container }, error);
      // The caller gets the first error, whatever becomes of the cleaning up.
      await this.#discard(attempt, refusal(error) !== null).catch(() => {});
      throw explained;
    } finally {
      this.#underway.delete(attempt);
    }
  }

  /** By its label: the answer that names its id may never have come. `settled`: nothing more can come of it. */
  async #discard(attempt: string, settled = false): Promise<string[]> {
    const filters = { label: [`${LABEL.attempt}=${attempt}`] };
    const found = await this.#engine.ask('What a failed start has left cannot be found', (docker) =>
      docker.listContainers({ all: true, filters }),
    );
    const containers = found.map(({ Id }) => shortId(Id));
    for (const container of containers) await removeContainer(this.#engine, container);
    const age = performance.now() - (this.#forsaken.get(attempt) ?? 0);
    if (settled || containers.length > 0 || age > START_LIMIT) this.#forsaken.delete(attempt);
    return containers;
  }
}
