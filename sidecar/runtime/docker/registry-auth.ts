import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import type { RegistryAuth } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import { HUB } from './image-reference.ts';

/** Under which Docker's client keeps what is for Docker Hub. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_NAMES = [HUB, 'index.docker.io', 'registry-1.docker.io'];
/** Milliseconds for a helper program: it may ask a keychain or the network. */
const HELPER_LIMIT = 10_000;

/** As the engine takes them. */
export type Credentials =
  | { username: string; password: string; serveraddress: string }
  | { identitytoken: string; serveraddress: string };

/** The Docker client's config.json, as far as it is used. */
interface ClientConfig {
  auths?: Record<string, { auth?: string; identitytoken?: string }>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
}

/** Read anew each time, so that a changed password needs no reload. Undefined: the registry is asked without. */
export async function credentialsFor(registry: string, auth: RegistryAuth): Promise<Credentials | undefined> {
  if (auth === null) return undefined;
  const serveraddress = HUB_NAMES.includes(registry) ? HUB_KEY : registry;
  if ('file' in auth) return fromClientConfig(auth.file, serveraddress);
  const found = Object.entries(auth.registries).find(([name]) => keyOf(name) === serveraddress)?.[1];
  if (!found) return undefined;
  const password = await read(found.passwordFile, `the password for ${registry}`);
  return { username: found.username, password: password.replace(/\r?\n$/, ''), serveraddress };
}

async function fromClientConfig(file: string, serveraddress: string): Promise<Credentials | undefined> {
  const config = parse(await read(file, 'who we are to registries'), file);
  // The order of Docker's own client.
  const helper = byRegistry(config.credHelpers, serveraddress) ?? config.credsStore;
  if (helper) return askHelper(helper, serveraddress);
  const entry = byRegistry(config.auths, serveraddress);
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken, serveraddress };
  if (!entry?.auth) return undefined;
  const decoded = Buffer.from(entry.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) return undefined;
  // Some writers end it with a zero.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, ''), serveraddress };
}

function parse(content: string, file: string): ClientConfig {
  try {
    const parsed: unknown = JSON.parse(content);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Said below, and without a word of the content.
  }
  throw unusable(`${file}, which \`docker.registryAuth\` names, is no JSON object`, "It must be a Docker client's config.json.");
}

function byRegistry<T>(entries: Record<string, T> | undefined, serveraddress: string): T | undefined {
  return Object.entries(entries ?? {}).find(([name]) => keyOf(name) === serveraddress)?.[1];
}

/** Keys are written with or without scheme and path. */
function keyOf(name: string): string {
  const host = name.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return HUB_NAMES.includes(host) ? HUB_KEY : host;
}

/** The protocol of docker-credential-helpers: the registry on stdin, JSON on stdout. */
async function askHelper(helper: string, serveraddress: string): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_LIMIT });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      reject(unusable(`${program}, which keeps the credentials for ${serveraddress}, cannot be run (${code})`, 'Install it.'));
    });
    child.once('close', resolve);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(serveraddress);
  const [code, output] = await Promise.all([ended, text(child.stdout)]);
  if (code !== 0 && /credentials not found/i.test(output)) return undefined;
  try {
    const { Username, Secret } = JSON.parse(output) as { Username: string; Secret: string };
    if (code === 0 && Secret) {
      if (Username === '<token>') return { identitytoken: Secret, serveraddress };
      return { username: Username, password: Secret, serveraddress };
    }
  } catch {
    // Said below: its words might be the secret itself.
  }
  throw unusable(
    `${program} has no credentials for ${serveraddress} to give (exit ${code})`,
    'Log in again with `docker login`.',
  );
}

async function read(path: string, what: string): Promise<string> {
  return readFile(path, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw unusable(`${path}, which tells ${what}, cannot be read (${code})`, 'See `docker.registryAuth` in turnout.yaml.');
  });
}

function unusable(message: string, hint: string): TurnoutError {
  return new TurnoutError('image-unavailable', message, { hint });
}
