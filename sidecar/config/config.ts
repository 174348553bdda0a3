/** turnout.yaml after reading: every default filled in, every path absolute, every duration in milliseconds. */
export interface Config {
  /** Absolute path of the file it was read from. */
  file: string;
  /** Absolute path of the state folder. */
  state: string;
  runtime: 'process';
  /** Both ends are included. */
  ports: { from: number; to: number };
  gateway: { listen: Address; control: 'unix'; managed: true; workers: 'auto' | number };
  api: { listen: Address };
  /** In the order of the file. */
  services: ServiceConfig[];
  /** Values that came from the environment or an env file: never shown, `redact` puts the name in their place. */
  secrets: Secret[];
}

export interface Address {
  host: string;
  port: number;
}

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
  /** Program and arguments; `{release}` stands for the release. */
  command: string[];
  /** Absolute; may hold `{release}`. */
  cwd: string;
  /** Deployed at first start, when nothing runs. */
  release: string;
  replicas: number;
  maxReplicas: number;
  /** Values may hold `{release}`. */
  env: Record<string, string>;
  health: HealthConfig;
  bake: { for: 0 };
  drain: { timeout: number };
  stop: { signal: NodeJS.Signals; timeout: number };
  /** How long the old color stays warm; 0 stops it at once. */
  keep: number;
  keepalive: { connections: number; idle: number };
  connectTimeout: number;
  passive: { maxFails: number; failTimeout: number };
}

export interface HealthConfig {
  path: string;
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
