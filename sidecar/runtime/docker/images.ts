import type { ImageInspectInfo } from 'dockerode';

import type { RegistryAuth } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import type { ImageRequest } from '../runtime.ts';
import { type Engine, refusal } from './engine.ts';
import { parseReference, sameRepository } from './image-reference.ts';
import { pullImage } from './pull.ts';
import { credentialsFor } from './registry-auth.ts';

/** Milliseconds that a registry gets to tell what a tag means. */
const ASK_LIMIT = 5000;

/** The images of the engine. */
export class Images {
  readonly #engine: Engine;
  readonly #auth: RegistryAuth;

  constructor(engine: Engine, auth: RegistryAuth) {
    this.#engine = engine;
    this.#auth = auth;
  }

  async prepare(request: ImageRequest, told: (progress: string) => void, signal: AbortSignal): Promise<string> {
    const { reference, pinned, pull } = request;
    if (pinned !== null) {
      await this.#preparePinned(request, pinned, told, signal);
      return pinned;
    }
    const here = await this.#inspect(reference);
    if (here && pull !== 'always') return exactly(reference, here);
    if (pull === 'never') throw missing(reference, '`pull: never` forbids to fetch it');
    await pullImage(this.#engine, this.#auth, reference, told, signal);
    const fetched = await this.#inspect(reference);
    if (!fetched) throw missing(reference, 'it was fetched, and something has removed it since');
    return exactly(reference, fetched);
  }

  async identify({ reference, pinned, pull }: ImageRequest): Promise<string | null> {
    if (pinned !== null) return pinned;
    if (pull === 'always') return this.#askRegistry(reference).catch(() => null);
    const here = await this.#inspect(reference);
    return here && exactly(reference, here);
  }

  async prune(images: string[]): Promise<string[]> {
    const gone: string[] = [];
    for (const image of images) if (await this.#remove(image)) gone.push(image);
    return gone;
  }

  async #preparePinned(
    { reference, pull }: ImageRequest,
    pinned: string,
    told: (progress: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (await this.#inspect(pinned)) return;
    if (!pinned.includes('@')) {
      throw missing(
        reference,
        `${pinned}, which it meant, is gone, and it was never in a registry`,
        'Build it again and deploy anew.',
      );
    }
    if (pull === 'never') throw missing(reference, `${pinned}, which it meant, is gone, and \`pull: never\` forbids to fetch it`);
    await pullImage(this.#engine, this.#auth, pinned, told, signal);
    if (!(await this.#inspect(pinned))) throw missing(reference, `${pinned} was fetched, and something has removed it since`);
  }

  async #inspect(image: string): Promise<ImageInspectInfo | null> {
    return this.#engine.find(`The image ${image} cannot be inspected`, (docker) => docker.getImage(image).inspect());
  }

  /** The engine asks it, as it would for a pull. */
  async #askRegistry(text: string): Promise<string | null> {
    const reference = parseReference(text);
    if (reference.digest !== null) return `${reference.name}@${reference.digest}`;
    const authconfig = await credentialsFor(reference.registry, this.#auth);
    const options = { authconfig } as { authconfig: { username: string } };
    const wanted = `What ${text} means cannot be asked`;
    const found: { Descriptor?: { digest?: string } } = await this.#engine.within(ASK_LIMIT, wanted, () =>
      this.#engine.ask(wanted, (docker) => docker.getImage(`${reference.name}:${reference.tag}`).distribution(options)),
    );
    const digest = found.Descriptor?.digest;
    return digest === undefined ? null : `${reference.name}@${digest}`;
  }

  /** Whether it is gone now. Stays when a container was made of it, running or not, or somebody has named it differently, too. */
  async #remove(image: string): Promise<boolean> {
    const info = await this.#inspect(image);
    if (!info) return true;
    const containers = await this.#engine.ask('The containers cannot be listed', (docker) =>
      docker.listContainers({ all: true }),
    );
    if (containers.some(({ ImageID }) => ImageID === info.Id)) return false;
    const names = [...(info.RepoTags ?? []), ...(info.RepoDigests ?? [])];
    const repositories = new Set(names.map((name) => parseReference(name).name));
    if (repositories.size > 1) return false;
    // One by one and never by force: the last of them goes only when no container has begun to use it meanwhile.
    for (const name of [...names, info.Id]) if (!(await this.#removeName(name))) return false;
    return (await this.#inspect(info.Id)) === null;
  }

  async #removeName(name: string): Promise<boolean> {
    try {
      await this.#engine.open(`The image ${name} cannot be removed`, (docker) => docker.getImage(name).remove());
      return true;
    } catch (error) {
      if (refusal(error) === 404) return true;
      if (refusal(error) === 409) return false;
      throw error;
    }
  }
}

/** By the digest under which its registry knows it; by its id when none does, as for one that was built here. */
function exactly(text: string, { Id, RepoDigests }: ImageInspectInfo): string {
  const { name, digest } = parseReference(text);
  const known = (RepoDigests ?? []).filter((one) => sameRepository(parseReference(one).name, name));
  return known.find((one) => digest !== null && one.endsWith(`@${digest}`)) ?? known[0] ?? Id;
}

function missing(reference: string, why: string, hint?: string): TurnoutError {
  const message = `The image ${reference} is not here: ${why}`;
  return new TurnoutError('image-unavailable', message, hint === undefined ? {} : { hint });
}
