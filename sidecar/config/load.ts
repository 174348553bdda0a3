import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { LineCounter } from 'yaml';
import type { z } from 'zod';
import { TurnoutError } from '../errors.ts';
import { check, serviceNames } from './checks.ts';
import type { Config, DockerConfig, RegistryAuth, Secret, ServiceConfig } from './config.ts';
import type { dockerSchema } from './docker.ts';
import { readEnvironment } from './environment.ts';
import { Problems } from './problems.ts';
import { configSchema, type serviceSchema } from './schema.ts';
import { Source } from './source.ts';
import { pathKey, refuseMisplacedVariables } from './variables.ts';
import { readWebhooks } from './webhooks.ts';

/**
 * Reads turnout.yaml. `env` is where `${VAR}` is looked up.
 * Anything wrong is a `config-invalid` with one line `<file>:<line>:<column>: <found>, expected <what>` for each problem.
 */
export async function loadConfig(file: string, env: NodeJS.ProcessEnv): Promise<Config> {
  const text = await read(file);
  const path = resolve(file);
  const folder = dirname(path);
  const lines = new LineCounter();
  const problems = new Problems(file, lines);
  const source = new Source(text, lines, problems);

  const parsed = configSchema.safeParse(source.data);
  const refused = parsed.success ? new Set<string>() : report(parsed.error, source, problems);
  refuseMisplacedVariables(source, refused, problems);
  check(source, folder, problems);

  const environments = new Map<string, Record<string, string>>();
  const secrets: Secret[] = [];
  for (const name of serviceNames(source)) {
    const environment = await readEnvironment(source, name, folder, env, problems);
    environments.set(name, environment.env);
    secrets.push(...environment.secrets);
  }

  const { webhooks: filled, secrets: ofWebhooks } = readWebhooks(source, env, problems);
  secrets.push(...ofWebhooks);

  problems.throwIfAny();
  // A schema's refusal is always among the problems; parse() gives the data its type.
  const { state, services, webhooks, docker, ...rest } = parsed.data ?? configSchema.parse(source.data);
  return {
    file: path,
    state: resolve(folder, state),
    ...rest,
    docker: resolveDocker(docker, folder),
    services: Object.entries(services).map(([name, service]) => resolveService(name, service, folder, environments.get(name)!)),
    webhooks: webhooks.map(({ format }, index) => ({ format, ...filled[index]! })),
    secrets: unique(secrets),
  };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'not found' : `cannot be read (${code})`;
    throw new TurnoutError('config-invalid', `${file}: ${found}, expected a turnout.yaml there, or the right path after -f`, {
      cause: error,
    });
  }
}

/** Turns what zod found into problems; returns the paths of the keys that were refused, below which nothing matters. */
function report(error: z.ZodError, source: Source, problems: Problems): Set<string> {
  const refused = new Set<string>();
  for (const issue of error.issues) {
    if (issue.code === 'unrecognized_keys') {
      const sentences = issue.message.split('\n');
      for (const [index, key] of issue.keys.entries()) {
        const path = [...issue.path, key];
        problems.add(source.place(path).keyOffset, sentences[index]!);
        refused.add(pathKey(path));
      }
      continue;
    }
    const { offset, missing } = source.place(issue.path);
    const found = missing === undefined ? `found ${source.found(issue.path)}` : `the key "${missing}" is missing`;
    problems.add(offset, `${found}, expected ${issue.message}`);
  }
  return refused;
}

function resolveService(
  name: string,
  service: z.output<typeof serviceSchema>,
  folder: string,
  env: Record<string, string>,
): ServiceConfig {
  const { envFile: _, maxReplicas, smoke, command = [], image = null, secrets, ...rest } = service;
  return {
    name,
    ...rest,
    command,
    image,
    secrets: Object.fromEntries(Object.entries(secrets).map(([key, file]) => [key, resolve(folder, file)])),
    cwd: resolve(folder, service.cwd),
    smoke: smoke.map(({ timeout, ...check }) => ({ ...check, timeout: timeout ?? service.health.timeout })),
    maxReplicas: maxReplicas ?? Math.max(2, service.replicas),
    env,
  };
}

function resolveDocker(docker: z.output<typeof dockerSchema>, folder: string): DockerConfig {
  const { registryAuth, tls } = docker;
  return {
    ...docker,
    socket: resolve(folder, docker.socket),
    tls: tls && resolve(folder, tls),
    registryAuth: registryAuth && resolveAuth(registryAuth, folder),
  };
}

function resolveAuth(auth: NonNullable<RegistryAuth>, folder: string): RegistryAuth {
  if ('file' in auth) return { file: resolve(folder, auth.file.replace(/^~(?=\/)/, homedir())) };
  const entries = Object.entries(auth.registries).map(([name, { username, passwordFile }]) => {
    return [name, { username, passwordFile: resolve(folder, passwordFile) }];
  });
  return { registries: Object.fromEntries(entries) };
}

function unique(secrets: Secret[]): Secret[] {
  const seen = new Map(secrets.map((secret) => [JSON.stringify([secret.name, secret.value]), secret]));
  return [...seen.values()];
}
