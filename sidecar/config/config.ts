/** turnout.yaml after reading: every default filled in, every path absolute, every duration in milliseconds. */
export interface Config {
  /** Absolute path of the file it was read from. */
  file: string;
  /** Absolute path of the state folder. */
  state: string;
  runtime: 'process' | 'docker';
  /** Only read with `runtime: docker`. */
  docker: DockerConfig;
  /** Both ends are included. */
  ports: { from: number; to: number };
  /** `managed: false`: nginx runs elsewhere, in a container that is found by its label or in the user's own hands. */
  gateway: { listen: Address; control: 'unix'; managed: boolean; workers: 'auto' | number };
  api: { listen: Address };
  /** In the order of the file. */
  services: ServiceConfig[];
  webhooks: WebhookConfig[];
  /** Values that came from the environment or an env file: never shown, `redact` puts the name in their place. */
  secrets: Secret[];
}

export interface Address {
  host: string;
  port: number;
}

/** The engine that runs the containers, and what they share. */
export interface DockerConfig {
  /** Absolute path of the engine's unix socket; not used when `host` is there. */
  socket: string;
  /** Null: the unix socket. */
  host: Address | null;
  /** Absolute path of the folder with ca.pem, cert.pem and key.pem; null: no TLS. */
  tls: string | null;
  network: string;
  subnet: Subnet;
  registryAuth: RegistryAuth;
  /** When images that nothing can need any more are removed: five fields of cron; null: never. */
  prune: string | null;
}

/** `a.b.c.d/bits`; the address has no bits outside of the prefix. */
export interface Subnet {
  address: string;
  bits: number;
}

/** Null: nobody asks who we are. `file`: absolute path of a Docker client's config.json. Passwords are read when they are needed. */
export type RegistryAuth = null | { file: string } | { registries: Record<string, { username: string; passwordFile: string }> };

export interface Secret {
  /** The variable's name. */
  name: string;
  value: string;
}

export interface ServiceConfig {
  name: string;
  route: {
    /** `*` takes every host. */
    host: string;
    /** A prefix; starts with `/`. */
    path: string;
  };
  /** Program and arguments; `{release}` stands for the release. Empty with `runtime: docker` alone: what the image says. */
  command: string[];
  /** `{release}` stands for the release; null with `runtime: process` alone. */
  image: string | null;
  pull: 'always' | 'missing' | 'never';
  /** Where the application listens in its container. */
  port: number;
  /** Absolute paths by name: /run/secrets/<name> in the container. */
  secrets: Record<string, string>;
  /** Cores and bytes of one replica; null: no limit. */
  resources: { cpus: number | null; memory: number | null };
  container: ContainerConfig;
  /** Absolute; may hold `{release}`. */
  cwd: string;
  /** Deployed at first start, when nothing runs. */
  release: string;
  replicas: number;
  maxReplicas: number;
  /** Values may hold `{release}`. */
  env: Record<string, string>;
  health: HealthConfig;
  /** Requests to the new color alone before it gets traffic, so that caches are warm. */
  warm: WarmUp[];
  /** Checks of the new color alone; one that fails ends the deployment. */
  smoke: SmokeCheck[];
  promote: 'auto' | 'manual';
  promoteTimeout: number;
  bake: BakeConfig;
  hooks: { beforeSwitch: HookConfig | null; afterLive: HookConfig | null; afterRollback: HookConfig | null };
  /** false: the health path answers 404 from outside. */
  exposeHealth: boolean;
  /** The other color takes over what this one could not answer, while it is ready. */
  failover: boolean;
  drain: { timeout: number };
  stop: { signal: NodeJS.Signals; timeout: number };
  /** How long the old color stays warm; 0 stops it at once. */
  keep: number;
  keepalive: { connections: number; idle: number };
  connectTimeout: number;
  passive: { maxFails: number; failTimeout: number };
}

/** Of a container, what few need. */
export interface ContainerConfig {
  /** `user` or `uid:gid`; null: the image decides. */
  user: string | null;
  /** The root file system cannot be written; `tmpfs` and `volumes` can. */
  readOnly: boolean;
  /** Capabilities to take away, e.g. ALL. */
  capDrop: string[];
  /** Folders in memory, e.g. /tmp. */
  tmpfs: string[];
  /** `name:/path` or `/host/path:/path`, with `:ro` to forbid writing. */
  volumes: string[];
  /** A small init as process 1, which passes signals on and buries orphans. */
  init: boolean;
  /** What is kept of its output: so many files of so many bytes. */
  log: { maxSize: number; maxFiles: number };
}

export interface HealthConfig {
  /** Null: `health: none`. Whoever runs counts as healthy. */
  path: string | null;
  interval: number;
  timeout: number;
  /** `retries` x `interval` is the gate's deadline. */
  retries: number;
  /** In a row, to pass. */
  successes: number;
  /** In a row, to be unhealthy after it once passed. */
  failures: number;
  expect: { status: number; json: Record<string, unknown> };
}

export interface WarmUp {
  path: string;
  count: number;
}

export interface SmokeCheck {
  path: string;
  /** Milliseconds until the whole answer. Default: health.timeout. */
  timeout: number;
  expect: { status: number; json: Record<string, unknown> };
}

/** The watch after the switch; `for: 0` is none. */
export interface BakeConfig {
  for: number;
  /** Fewer finished requests convict nobody. */
  minRequests: number;
  /** What a bake without enough requests means: `pass` ends live, `rollback` moves traffic back. */
  onInconclusive: 'pass' | 'rollback';
  /** Share of 5xx from 0 to 1. */
  maxErrorRate: number;
  /** Milliseconds; null: not judged. */
  maxP99: number | null;
  maxRestarts: number;
  /** Cores of one replica, e.g. 0.8; null: not judged. */
  maxCpu: number | null;
  /** Bytes of one replica; null: not judged. */
  maxMemory: number | null;
  /** Lines of output that match; more than `max` of them convict. Null: not judged. */
  logErrors: { pattern: RegExp; max: number } | null;
}

export interface HookConfig {
  /** Program and arguments, no shell. */
  command: string[];
  timeout: number;
}

export interface WebhookConfig {
  /** May be secret as a whole: shown as its origin only. */
  url: string;
  format: 'json' | 'slack';
  /** Key of the HMAC-SHA256 signature; null: unsigned. */
  secret: string | null;
}
