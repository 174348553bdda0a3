import { readFile } from 'node:fs/promises';
import { tokenFile } from '../api/token.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { TurnoutError } from '../errors.ts';
import { ApiClient } from './api-client.ts';

/** Options that every verb takes. */
export interface Common {
  file?: string;
  json?: boolean;
}

/** -f, else TURNOUT_CONFIG, else ./turnout.yaml. */
export function configFile(options: Common): string {
  return options.file ?? process.env.TURNOUT_CONFIG ?? 'turnout.yaml';
}

/** For verbs that only talk to the sidecar: variables of the services need not be set in this shell. */
export async function connect(options: Common): Promise<{ config: Config; api: ApiClient }> {
  const config = await loadConfig(configFile(options), withStandIns(process.env));
  const token = await readFile(tokenFile(config.state), 'utf8').catch(() => null);
  if (token === null) {
    throw new TurnoutError(
      'sidecar-unreachable',
      `there is no token in ${config.state}: no sidecar was ever started with ${config.file}`,
    );
  }
  return { config, api: new ApiClient(config.api.listen, token.trim()) };
}

/** Something for each variable that is not set, which also passes where a URL is wanted. */
export function withStandIns(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return new Proxy(env, { get: (known, name: string) => known[name] ?? 'http://not-set-in-this-shell.invalid/' });
}

/** The service that was named, or the only one there is. */
export function serviceOf(config: Config, named: string | undefined): string {
  const names = config.services.map((service) => service.name);
  if (named === undefined && names.length === 1) return names[0] as string;
  if (named === undefined) throw new TurnoutError('usage', `which service? expected one of: ${names.join(', ')}`);
  if (names.includes(named)) return named;
  throw new TurnoutError(
    'unknown-service',
    `there is no service "${named}" in ${config.file}, expected one of: ${names.join(', ')}`,
  );
}
