import type { RegistryAuth } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import { LineSplitter } from '../line-splitter.ts';
import { type Engine, refusal, streamEnd, wordsOf } from './engine.ts';
import { parseReference } from './image-reference.ts';
import { credentialsFor } from './registry-auth.ts';

/** Milliseconds between two words about how far it is. */
const PACE = 500;
const MEGABYTE = 1_000_000;

/** One line of what the engine tells while it fetches. */
interface Step {
  id?: string;
  status?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

/** Fetches an image. Resolves only when the engine has said to the end that nothing went wrong. */
export async function pullImage(
  engine: Engine,
  auth: RegistryAuth,
  image: string,
  told: (progress: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { registry, name, tag, digest } = parseReference(image);
  const authconfig = await credentialsFor(registry, auth);
  const progress = new Progress(image, told);
  const calledOff = () => new TurnoutError('image-unavailable', `Pulling ${image} was called off`);
  let stream: NodeJS.ReadableStream;
  try {
    if (signal.aborted) throw calledOff();
    const options = { fromImage: name, tag: digest ?? tag, abortSignal: signal };
    stream = await engine.open(`${image} cannot be pulled`, (docker) => docker.createImage(authconfig, options));
  } catch (error) {
    if (signal.aborted) throw calledOff();
    throw refusal(error) === null ? error : unavailable(image, registry, wordsOf(error), authconfig !== undefined);
  }
  let failure: string | null = null;
  let complete = false;
  const lines = new LineSplitter((line) => {
    const step = parseStep(line);
    failure ??= step.error ?? null;
    progress.take(step);
  });
  stream.on('data', (chunk: Buffer) => lines.push(chunk));
  stream.once('end', () => {
    complete = true;
  });
  await streamEnd(stream);
  lines.flush();
  if (signal.aborted) throw calledOff();
  if (failure !== null) throw unavailable(image, registry, failure, authconfig !== undefined);
  if (!complete) {
    throw new TurnoutError('runtime-unusable', `${image} cannot be pulled: the engine at ${engine.address} went away meanwhile`);
  }
}

function parseStep(line: string): Step {
  try {
    return JSON.parse(line) as Step;
  } catch {
    return {};
  }
}

/** The sum over the layers, in prose. */
class Progress {
  readonly #image: string;
  readonly #told: (progress: string) => void;
  readonly #layers = new Map<string, { current: number; total: number }>();
  #toldAt = Number.NEGATIVE_INFINITY;
  #last = '';

  constructor(image: string, told: (progress: string) => void) {
    this.#image = image;
    this.#told = told;
  }

  take({ id, status, progressDetail }: Step): void {
    const { current = 0, total = 0 } = progressDetail ?? {};
    const layer = id === undefined ? undefined : this.#layers.get(id);
    if (id !== undefined && status === 'Downloading' && total > 0) this.#layers.set(id, { current, total });
    else if (layer && (status === 'Download complete' || status === 'Pull complete')) layer.current = layer.total;
    const now = performance.now();
    if (now - this.#toldAt < PACE) return;
    const text = this.#text();
    if (text === this.#last) return;
    this.#toldAt = now;
    this.#last = text;
    this.#told(text);
  }

  #text(): string {
    const layers = [...this.#layers.values()];
    if (layers.length === 0) return `pulling ${this.#image}`;
    const megabytes = (key: 'current' | 'total') => Math.round(layers.reduce((sum, layer) => sum + layer[key], 0) / MEGABYTE);
    return `pulling ${this.#image}: ${megabytes('current')} of ${megabytes('total')} MB`;
  }
}

/** Names image and registry; the engine's words tell the rest. */
function unavailable(image: string, registry: string, words: string, known: boolean): TurnoutError {
  const error = (why: string, hint?: string) =>
    new TurnoutError(
      'image-unavailable',
      `${image} cannot be pulled from ${registry}: ${why}`,
      hint === undefined ? {} : { hint },
    );
  // Before what is not found: a registry that wants to know who asks says either.
  if (/unauthorized|authentication required|denied|no basic auth credentials/i.test(words)) {
    return error(
      words,
      known
        ? `${registry} refuses the credentials of \`docker.registryAuth\`: mend them, or the image's name.`
        : `${registry} wants to know who asks: set \`docker.registryAuth\`. Or the image's name is wrong.`,
    );
  }
  if (/not found|manifest unknown|name unknown/i.test(words)) {
    return error(`there is no such image (${words})`, 'Mend the name or the tag, or push it first.');
  }
  if (/no such host|connection refused|i\/o timeout|no route to host|TLS handshake|server gave HTTP response/i.test(words)) {
    return error(`the registry cannot be reached (${words})`, `See that the machine of the engine reaches ${registry}.`);
  }
  return error(words);
}
