import { COLORS, type Color, slotSets, upstreamName } from '../../njs/route.ts';
import type { Address, Config, ServiceConfig } from '../config/config.ts';
import { block, nginxTime, quoted } from './nginx-text.ts';

/** What the machine, not turnout.yaml, says about the gateway. */
export interface Machine {
  /** Absolute path of ngx_http_js_module.so; '' when njs is compiled in. */
  module: string;
  /** nginx' version; '' when nobody knows. */
  version: string;
  /** `user` of the workers, as nginx wants it; '' unless nginx starts as root. */
  user: string;
  /** Absolute path of <state>/gateway. */
  folder: string;
}

/** The fixed address of a slot; see store/slots.ts. */
export type AddressOf = (service: string, color: Color, slot: number) => string;

/** Files by their path below <state>/gateway/conf/rendered. */
export type Rendered = Record<string, string>;

const HEADER = '# Rendered from turnout.yaml by Turnout; `turnout up` and `turnout reload` write it anew.';

export function render(config: Config, addressOf: AddressOf, machine: Machine): Rendered {
  return {
    'machine.conf': text(machineLines(config, machine)),
    'upstreams.conf': text([...keepaliveLines(machine), ...upstreams(config.services, addressOf), ...answers(machine)]),
    'servers.conf': text([...servers(config), ...internalServers(machine), ...previews(config, machine)]),
    'gateway.json': `${JSON.stringify(writable(config, machine), null, 2)}\n`,
  };
}

function machineLines(config: Config, machine: Machine): string[] {
  return [
    ...(machine.module === '' ? [] : [`load_module ${quoted(machine.module)};`]),
    ...(machine.user === '' ? [] : [`user ${machine.user};`]),
    `worker_processes ${config.gateway.workers};`,
  ];
}

/** A reload closes idle connections; a client that sends just then loses its request, unless they may stay for a moment. */
function keepaliveLines({ version }: Machine): string[] {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const known = major > 1 || (major === 1 && (minor > 27 || (minor === 27 && patch >= 4)));
  return known ? ['keepalive_min_timeout 5s;', ''] : [];
}

/**
 * nginx looks for the upstream that pick() names from the first block on, each time: so the sets that a color runs with while all
 * is well come first, of every service, and those that it shrinks or grows to come after all of them.
 */
function upstreams(services: ServiceConfig[], addressOf: AddressOf): string[] {
  const sets = services.flatMap((service) =>
    COLORS.flatMap((color) => slotSets(service.maxReplicas).map((slots) => ({ service, color, slots }))),
  );
  const whole = ({ service, slots }: UpstreamSet) => slots.at(-1) === service.replicas && slots.length === service.replicas;
  return [...sets.filter(whole), ...sets.filter((set) => !whole(set))].flatMap((set) => upstream(set, addressOf));
}

interface UpstreamSet {
  service: ServiceConfig;
  color: Color;
  slots: number[];
}

function upstream({ service, color, slots }: UpstreamSet, addressOf: AddressOf): string[] {
  const { keepalive, passive } = service;
  const name = upstreamName(service.name, color, slots);
  return block(`upstream ${name}`, [
    // About 1 KiB for each server; 64 KiB is the least that is sensible.
    `zone ${name} ${64 * Math.ceil(slots.length / 32)}k;`,
    ...slots.map((slot) => {
      const marks = `max_fails=${passive.maxFails} fail_timeout=${Math.ceil(passive.failTimeout / 1000)}s`;
      return `server ${addressOf(service.name, color, slot)} ${marks};`;
    }),
    `keepalive ${keepalive.connections};`,
    `keepalive_timeout ${nginxTime(keepalive.idle)};`,
  ]);
}

/** Servers of our own that answer what no replica can: 503 without a route, 502 for what must not be sent again. */
const ANSWERS = ['none', 'refused'];

function answers(machine: Machine): string[] {
  return ANSWERS.flatMap((name) =>
    block(`upstream turnout_${name}`, [`server ${quoted(`unix:${machine.folder}/${name}.sock`)};`]),
  );
}

function servers(config: Config): string[] {
  const hosts = [...new Set(config.services.map((service) => service.route.host))];
  const named = hosts.flatMap((host) =>
    server(
      config.gateway.listen,
      host,
      config.services.filter((s) => s.route.host === host),
    ),
  );
  return hosts.includes('*') ? named : [...named, ...server(config.gateway.listen, '*', [])];
}

function server(listen: Address, host: string, services: ServiceConfig[]): string[] {
  const whole = services.some((service) => service.route.path === '/');
  return block('server', [
    `listen ${listenAddress(listen)}${host === '*' ? ' default_server' : ''};`,
    `server_name ${host === '*' ? '_' : host};`,
    ...services.flatMap((service) => locations(service, services)),
    ...(whole ? [] : block('location /', ['return 404;'])),
  ]);
}

/** `/api` takes `/api` and everything below it, but not `/apiary`. */
function locations(service: ServiceConfig, beside: ServiceConfig[]): string[] {
  const { path } = service.route;
  const body = [
    ...proxyBy('pick', '$turnout_upstream', service),
    ...(service.failover ? [`error_page 502 504 = ${failoverPlace(service)};`] : []),
  ];
  const places = path.endsWith('/')
    ? block(`location ${path}`, body)
    : [...block(`location = ${path}`, body), ...block(`location ${path}/`, body)];
  return [...hiddenHealth(service, beside), ...places, ...failover(service)];
}

/**
 * To the upstream that a bundle of njs names for this service. All services share its variable, which has another module in each
 * location: nginx clears every variable there is for each request, and njs goes through them all for each that it reads.
 * No request gets from one service's location into another's, so none meets the other's cached value.
 */
function proxyBy(bundle: string, variable: string, { name, connectTimeout }: ServiceConfig): string[] {
  return [
    `js_import turnout_${bundle} from njs/${bundle}/${name}.js;`,
    `js_set ${variable} turnout_${bundle};`,
    `proxy_pass http://${variable};`,
    `proxy_connect_timeout ${nginxTime(connectTimeout)};`,
    'include turnout/proxy.conf;',
  ];
}

/** Where nginx itself, not the application, had to answer 502 or 504: the other color may take the request over. */
function failover(service: ServiceConfig): string[] {
  if (!service.failover) return [];
  return block(`location ${failoverPlace(service)}`, proxyBy('failover', '$turnout_failover', service));
}

function failoverPlace({ name }: ServiceConfig): string {
  return `@turnout_failover_${name}`;
}

/** The health document tells strangers what they need not know. */
function hiddenHealth({ health, exposeHealth, route }: ServiceConfig, beside: ServiceConfig[]): string[] {
  const path = health.path?.replace(/[?#].*$/, '') ?? null;
  if (path === null || exposeHealth || !takes(route.path, path)) return [];
  // Below another service's longer prefix that path is another document.
  const others = beside.filter((one) => one.route.path.length > route.path.length && takes(one.route.path, path));
  if (others.length > 0) return [];
  return block(`location = ${quoted(path)}`, ['return 404;']);
}

/** Does a service at `prefix` get requests for this path? */
function takes(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/** `<state>/gateway/preview-<service>.sock`: the color that is not active, for whoever wants to look before the switch. */
function previews(config: Config, machine: Machine): string[] {
  return config.services.flatMap((service) =>
    block('server', [
      `listen ${quoted(`unix:${machine.folder}/preview-${service.name}.sock`)};`,
      ...block('location /', proxyBy('preview', '$turnout_preview', service)),
    ]),
  );
}

function internalServers(machine: Machine): string[] {
  return ['control', 'probe', ...ANSWERS].flatMap((name) =>
    block('server', [`listen ${quoted(`unix:${machine.folder}/${name}.sock`)};`, `include turnout/${name}.conf;`]),
  );
}

/** What control() may write: see `turnout_gateway` in njs/njs.d.ts. */
function writable(config: Config, machine: Machine) {
  const services = config.services.map((service) => {
    const sets = slotSets(service.maxReplicas).map((slots) => [slots.join('-'), true]);
    return [service.name, Object.fromEntries(sets)];
  });
  return { routes: `${machine.folder}/routes/`, services: Object.fromEntries(services) };
}

export function listenAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function text(lines: string[]): string {
  return `${[HEADER, '', ...lines].join('\n')}\n`;
}
