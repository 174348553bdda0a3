import type { Config, HealthConfig, ServiceConfig } from '../../sidecar/config/config.ts';

/** The defaults of turnout.yaml, but a gate of 30 x 100 ms. */
export function healthConfig(parts: Partial<HealthConfig> = {}): HealthConfig {
  return {
    path: '/health',
    interval: 100,
    timeout: 1000,
    retries: 30,
    successes: 1,
    failures: 3,
    expect: { status: 200, json: {} },
    ...parts,
  };
}

export type ServiceParts = Partial<Omit<ServiceConfig, 'health'>> & { health?: Partial<HealthConfig> };

export function serviceConfig({ health, ...parts }: ServiceParts = {}): ServiceConfig {
  return {
    name: 'backend',
    route: { host: '*', path: '/' },
    command: ['node', 'server.js'],
    cwd: '/srv/app',
    release: 'v1',
    replicas: 1,
    maxReplicas: 2,
    env: {},
    health: healthConfig(health),
    bake: { for: 0 },
    drain: { timeout: 30_000 },
    stop: { signal: 'SIGTERM', timeout: 10_000 },
    keep: 600_000,
    keepalive: { connections: 32, idle: 4000 },
    connectTimeout: 1000,
    passive: { maxFails: 3, failTimeout: 2000 },
    ...parts,
  };
}

export function config(parts: Partial<Config> = {}): Config {
  return {
    file: '/srv/app/turnout.yaml',
    state: '/srv/app/.turnout',
    runtime: 'process',
    ports: { from: 20_000, to: 20_999 },
    gateway: { listen: { host: '127.0.0.1', port: 8080 }, control: 'unix', managed: true, workers: 'auto' },
    api: { listen: { host: '127.0.0.1', port: 8090 } },
    services: [serviceConfig()],
    secrets: [],
    ...parts,
  };
}
