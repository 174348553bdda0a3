import { resolve } from 'node:path';
import type { z } from 'zod';
import { formatAddress, hostsOverlap } from './address.ts';
import type { Address } from './config.ts';
import { dockerSchema } from './docker.ts';
import type { Problems } from './problems.ts';
import { configSchema, routeSchema, serviceSchema } from './schema.ts';
import { type Path, quote, type Source } from './source.ts';
import { automaticPart, formatSubnet, sizeOf } from './subnet.ts';

/** What `sun_path` of a unix socket holds without its closing NUL. */
export const LONGEST_SOCKET = 107;

/** Process slots listen on the loopback address. */
const SLOT_HOST = '127.0.0.1';

/** What concerns more than one value. A part that is itself wrong was refused by the schema and is left out here. */
export function check(source: Source, folder: string, problems: Problems): void {
  checkState(source, folder, problems);
  checkListeners(source, problems);
  const names = serviceNames(source);
  for (const name of names) {
    checkName(source, name, problems);
    checkReplicas(source, name, problems);
    checkRuntime(source, name, problems);
  }
  checkRoutes(source, names, problems);
  if (runtimeOf(source) === 'docker') checkSubnet(source, names, problems);
  else checkPorts(source, names, problems);
}

function runtimeOf(source: Source): string {
  return valid(source, configSchema.shape.runtime, ['runtime']) ?? 'process';
}

export function serviceNames(source: Source): string[] {
  const services = source.get(['services']);
  return typeof services === 'object' && services !== null && !Array.isArray(services) ? Object.keys(services) : [];
}

function checkState(source: Source, folder: string, problems: Problems): void {
  const state = valid(source, configSchema.shape.state, ['state']);
  if (state === undefined) return;
  // The longest of them: each service has a preview socket.
  const sockets = ['control.sock', ...serviceNames(source).map((name) => `preview-${name}.sock`)];
  const longest = sockets.reduce((long, one) => (one.length > long.length ? one : long));
  const socket = resolve(folder, state, 'gateway', longest);
  const length = Buffer.byteLength(socket);
  if (length <= LONGEST_SOCKET) return;
  const offset = source.has(['state']) ? source.place(['state']).offset : 0;
  problems.add(
    offset,
    `found a state folder whose socket ${JSON.stringify(socket)} has a path of ${length} bytes, ` +
      `expected at most ${LONGEST_SOCKET}: choose a shorter state folder`,
  );
}

function checkListeners(source: Source, problems: Problems): void {
  const listeners = (['gateway', 'api'] as const).map((part) => {
    const path = [part, 'listen'];
    return { name: `${part}.listen`, path, address: valid(source, configSchema.shape[part].unwrap().shape.listen, path) };
  });
  const [gateway, api] = listeners.map(({ address }) => address);
  if (gateway && api && gateway.port === api.port && hostsOverlap(gateway.host, api.host)) {
    const path = source.has(['api', 'listen']) ? ['api', 'listen'] : ['gateway', 'listen'];
    const both = `gateway.listen ${formatAddress(gateway)} and api.listen ${formatAddress(api)}`;
    const sentence = `found ${both}, which are the same port on the same host, expected two that differ`;
    problems.add(source.place(path).offset, sentence);
  }
  const ports = valid(source, configSchema.shape.ports, ['ports']);
  for (const { name, path, address } of listeners) {
    if (!address || !ports || !lies(address, ports)) continue;
    const offset = source.place(source.has(path) ? path : ['ports']).offset;
    problems.add(
      offset,
      `found ${name} ${formatAddress(address)}, which lies in the ports ${ports.from}-${ports.to} of the ` +
        'replicas, expected a port outside of them',
    );
  }
}

function lies({ host, port }: Address, ports: { from: number; to: number }): boolean {
  return hostsOverlap(host, SLOT_HOST) && port >= ports.from && port <= ports.to;
}

function checkName(source: Source, name: string, problems: Problems): void {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(name)) return;
  problems.add(
    source.place(['services', name]).keyOffset,
    `found the service name ${quote(name)}, ` +
      'expected a name of 1 to 40 lower-case letters, digits and -, starting with a letter',
  );
}

function checkReplicas(source: Source, name: string, problems: Problems): void {
  const path = ['services', name, 'maxReplicas'];
  const replicas = valid(source, serviceSchema.shape.replicas, ['services', name, 'replicas']);
  const most = valid(source, serviceSchema.shape.maxReplicas, path);
  if (replicas === undefined || most === undefined || most >= replicas) return;
  problems.add(source.place(path).offset, `found maxReplicas ${most} with replicas ${replicas}, expected at least ${replicas}`);
}

function checkRoutes(source: Source, names: readonly string[], problems: Problems): void {
  const owners = new Map<string, string>();
  for (const name of names) {
    const path = ['services', name, 'route'];
    const route = valid(source, routeSchema.prefault({}), path);
    if (!route) continue;
    const key = `${route.host} ${route.path}`;
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, name);
      continue;
    }
    problems.add(
      source.place(path).offset,
      `found the services ${quote(owner)} and ${quote(name)} with the same route ` +
        `(host ${quote(route.host)}, path ${quote(route.path)}), expected a host or path of its own`,
    );
  }
}

/** What each runtime cannot do without, and what it could only ignore. */
function checkRuntime(source: Source, name: string, problems: Problems): void {
  const base = ['services', name];
  if (typeof source.get(base) !== 'object' || source.get(base) === null) return;
  const runtime = runtimeOf(source);
  const needed = runtime === 'docker' ? 'image' : 'command';
  if (!source.has([...base, needed])) {
    const example =
      needed === 'image' ? 'an image such as registry.example/backend:{release}' : 'a list such as [node, server.js]';
    problems.add(source.place(base).keyOffset, `the key "${needed}" is missing, expected ${example} (runtime: ${runtime})`);
  }
  if (runtime === 'docker') return;
  for (const key of ['secrets', 'resources', 'container']) {
    const path = [...base, key];
    const value = source.get(path);
    if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) continue;
    problems.add(source.place(path).keyOffset, `found the key "${key}", expected it with runtime: docker only`);
  }
}

/** The same for addresses of containers, of which a quarter is left to Docker itself. */
function checkSubnet(source: Source, names: readonly string[], problems: Problems): void {
  const subnet = valid(source, dockerSchema.unwrap().shape.subnet, ['docker', 'subnet']);
  if (!subnet) return;
  const room = sizeOf(subnet) - sizeOf(automaticPart(subnet)) - 1;
  const needed = slotsNeeded(source, names);
  if (room >= needed) return;
  const path = source.has(['docker', 'subnet']) ? ['docker', 'subnet'] : ['runtime'];
  problems.add(
    source.place(path).offset,
    `found the subnet ${formatSubnet(subnet)}, which has room for ${room} slots, expected a larger one: ` +
      `${needed} are needed, one for each of maxReplicas, for both colors of every service`,
  );
}

function slotsNeeded(source: Source, names: readonly string[]): number {
  return names.reduce((sum, name) => {
    const replicas = valid(source, serviceSchema.shape.replicas, ['services', name, 'replicas']) ?? 1;
    const most = valid(source, serviceSchema.shape.maxReplicas, ['services', name, 'maxReplicas']);
    return sum + 2 * (most ?? Math.max(2, replicas));
  }, 0);
}

/** Every color of every service has `maxReplicas` fixed addresses of its own. */
function checkPorts(source: Source, names: readonly string[], problems: Problems): void {
  const ports = valid(source, configSchema.shape.ports, ['ports']);
  const needed = slotsNeeded(source, names);
  if (!ports || ports.to - ports.from + 1 >= needed) return;
  problems.add(
    source.place(['ports']).offset,
    `found the ports ${ports.from}-${ports.to}, expected at least ${needed} of them: ` +
      'one for each of maxReplicas, for both colors of every service',
  );
}

/** The value with its default filled in, or `undefined` when it is wrong. */
function valid<Schema extends z.ZodType>(source: Source, schema: Schema, path: Path): z.output<Schema> | undefined {
  const result = schema.safeParse(source.get(path));
  return result.success ? result.data : undefined;
}
