import { formatAddress } from './address.ts';
import { formatBytes } from './bytes.ts';
import type { Config, DockerConfig, HealthConfig, HookConfig, ServiceConfig } from './config.ts';
import { formatDuration } from './duration.ts';
import { formatPercentage } from './percentage.ts';
import { redact } from './redact.ts';
import type { Path, Source } from './source.ts';
import { formatSubnet } from './subnet.ts';
import { expand } from './variables.ts';

type Shown = Record<string, unknown>;

const HIDDEN = '(hidden)';
/** Keys of a service that mean nothing to a process of this machine. */
const OF_CONTAINERS = ['image', 'pull', 'port', 'secrets', 'resources', 'container'];

/** What it takes to tell where a value came from. */
interface Origin {
  source: Source;
  env: NodeJS.ProcessEnv;
  /** Takes secret values out of a text. */
  clean(text: string): string;
}

/**
 * turnout.yaml as it was understood, in its own words: every default filled in, paths absolute. Values of variables and env
 * files are not in it, nor what webhooks are called by.
 */
export function shownConfig(config: Config, source: Source, env: NodeJS.ProcessEnv): Shown {
  const { file: _file, secrets, docker, ports, gateway, api, webhooks, services, ...rest } = config;
  const origin: Origin = { source, env, clean: (text) => redact(text, secrets) };
  return {
    ...rest,
    ...(config.runtime === 'docker' ? { docker: shownDocker(docker) } : {}),
    ports: `${ports.from}-${ports.to}`,
    gateway: { ...gateway, listen: formatAddress(gateway.listen) },
    api: { ...api, listen: formatAddress(api.listen) },
    webhooks: webhooks.map(({ format, secret }, index) => ({
      url: ofVariables(['webhooks', index, 'url'], origin) ?? HIDDEN,
      format,
      ...(secret === null ? {} : { secret: ofVariables(['webhooks', index, 'secret'], origin) ?? HIDDEN }),
    })),
    services: Object.fromEntries(services.map((service) => [service.name, shownService(service, config.runtime, origin)])),
  };
}

function shownDocker({ host, subnet, registryAuth, ...rest }: DockerConfig): Shown {
  const auth = registryAuth && ('file' in registryAuth ? registryAuth.file : registryAuth.registries);
  return withNone({ ...rest, host: host && formatAddress(host), subnet: formatSubnet(subnet), registryAuth: auth });
}

function shownService(service: ServiceConfig, runtime: Config['runtime'], origin: Origin): Shown {
  const { command, resources, container, health, warm, smoke, bake, hooks, drain, stop, keepalive, passive } = service;
  const shown: Shown = {
    ...service,
    command: command.map(origin.clean),
    resources: withNone({ cpus: resources.cpus, memory: resources.memory && formatBytes(resources.memory) }),
    container: withNone({ ...container, log: { ...container.log, maxSize: formatBytes(container.log.maxSize) } }),
    env: Object.fromEntries(Object.keys(service.env).map((key) => [key, shownVariable(service, key, origin)])),
    health: shownHealth(health),
    warm: warm.map(({ path, ...one }) => ({ get: path, ...one })),
    smoke: smoke.map(({ path, timeout, ...one }) => ({ get: path, timeout: formatDuration(timeout), ...one })),
    promoteTimeout: formatDuration(service.promoteTimeout),
    bake: shownBake(bake),
    hooks: Object.fromEntries(Object.entries(hooks).flatMap(([key, hook]) => (hook ? [[key, shownHook(hook, origin)]] : []))),
    drain: { timeout: formatDuration(drain.timeout) },
    stop: { ...stop, timeout: formatDuration(stop.timeout) },
    keep: formatDuration(service.keep),
    keepalive: { ...keepalive, idle: formatDuration(keepalive.idle) },
    connectTimeout: formatDuration(service.connectTimeout),
    passive: { ...passive, failTimeout: formatDuration(passive.failTimeout) },
  };
  const absent = ['name', ...(runtime === 'process' ? OF_CONTAINERS : []), ...(command.length === 0 ? ['command'] : [])];
  return Object.fromEntries(Object.entries(shown).filter(([key]) => !absent.includes(key)));
}

function shownHealth({ path, interval, timeout, ...rest }: HealthConfig): unknown {
  return path === null ? 'none' : { path, interval: formatDuration(interval), timeout: formatDuration(timeout), ...rest };
}

function shownBake({ logErrors, ...bake }: ServiceConfig['bake']): Shown {
  return withNone({
    ...bake,
    for: formatDuration(bake.for),
    maxErrorRate: formatPercentage(bake.maxErrorRate),
    maxP99: bake.maxP99 && formatDuration(bake.maxP99),
    maxMemory: bake.maxMemory && formatBytes(bake.maxMemory),
    logErrors: logErrors && { pattern: logErrors.pattern.source, max: logErrors.max },
  });
}

function shownHook({ command, timeout }: HookConfig, { clean }: Origin): Shown {
  return { command: command.map(clean), timeout: formatDuration(timeout) };
}

/** What is not in `env` itself came from an env file. */
function shownVariable({ name, env }: ServiceConfig, key: string, origin: Origin): string {
  const path = ['services', name, 'env', key];
  if (origin.source.get(path) === undefined) return HIDDEN;
  const text = typeof origin.source.get(path) === 'string' ? expand(origin.source.text(path), origin.env).text : env[key];
  return ofVariables(path, origin) ?? origin.clean(text ?? '');
}

/** `(from NAME)` for a text with a variable's value in it; null for one that is in the file as it is. */
function ofVariables(path: Path, { source, env }: Origin): string | null {
  if (typeof source.get(path) !== 'string') return null;
  const { used, problems } = expand(source.text(path), env);
  const unset =
    problems.length > 0 ? [...source.text(path).matchAll(/(?<!\$)\$\{(\w+)/g)].map((match) => match[1] as string) : [];
  const names = [...new Set([...used, ...unset])];
  return names.length === 0 ? null : `(from ${names.join(', ')})`;
}

/** `none`, as turnout.yaml says null. */
function withNone(values: Shown): Shown {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value ?? 'none']));
}
