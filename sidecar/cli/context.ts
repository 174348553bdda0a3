import { readFile } from 'node:fs/promises';
import { tokenFile } from '../api/token.ts';
import { EXPECTED_ADDRESS, parseAddress } from '../config/address.ts';
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

/** As much of turnout.yaml as verbs need that only talk to the sidecar. */
export interface Known {
  /** Where the services are declared, for messages. */
  file: string;
  services: { name: string }[];
}

/**
 * For verbs that only talk to the sidecar: variables of the services need not be set in this shell. With TURNOUT_API and
 * TURNOUT_TOKEN, as a pipeline has them, turnout.yaml need not be there at all.
 */
export async function connect(options: Common): Promise<{ config: Known; api: ApiClient }> {
  const { TURNOUT_API: url, TURNOUT_TOKEN: given } = process.env;
  if (url) return connectTo(url, given);
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

async function connectTo(url: string, token: string | undefined): Promise<{ config: Known; api: ApiClient }> {
  const [, address = ''] = /^(?:http:\/\/)?([^/]+)\/?$/.exec(url) ?? [];
  const listen = parseAddress(address);
  if (!listen) throw new TurnoutError('usage', `TURNOUT_API is "${url}", expected http:// and ${EXPECTED_ADDRESS}`);
  if (!token)
    throw new TurnoutError('usage', 'TURNOUT_API is set, but TURNOUT_TOKEN is not', {
      hint: 'The token stands in <state>/token.',
    });
  const api = new ApiClient(listen, token.trim());
  const { services } = await api.get<{ services: { name: string }[] }>('/v1/services');
  return { config: { file: url, services }, api };
}

/** Something for each variable that is not set, which also passes where a URL is wanted. */
export function withStandIns(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return new Proxy(env, { get: (known, name: string) => known[name] ?? 'http://not-set-in-this-shell.invalid/' });
}

/** The service that was named, or the only one there is. */
export function serviceOf(config: Known, named: string | undefined): string {
  const names = config.services.map((service) => service.name);
  if (named === undefined && names.length === 1) return names[0] as string;
  if (named === undefined) throw new TurnoutError('usage', `which service? expected one of: ${names.join(', ')}`);
  if (names.includes(named)) return named;
  throw new TurnoutError(
    'unknown-service',
    `there is no service "${named}" in ${config.file}, expected one of: ${names.join(', ')}`,
  );
}
