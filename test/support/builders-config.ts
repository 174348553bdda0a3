import type { Config, HealthConfig, ServiceConfig } from '../../sidecar/config/config.ts';
import { configSchema, serviceSchema } from '../../sidecar/config/schema.ts';

/** The defaults of turnout.yaml, as its schema fills them in, but a gate of 30 x 100 ms. */
export function healthConfig(parts: Partial<HealthConfig> = {}): HealthConfig {
  return { ...smallest().health, interval: 100, timeout: 1000, ...parts };
}

export type ServiceParts = Partial<Omit<ServiceConfig, 'health'>> & { health?: Partial<HealthConfig> };

export function serviceConfig({ health, ...parts }: ServiceParts = {}): ServiceConfig {
  const { envFile: _, ...defaults } = smallest();
  const resolved = { name: 'backend', image: null, cwd: '/srv/app', env: {}, maxReplicas: 2, health: healthConfig(health) };
  return { ...defaults, ...resolved, ...parts } as unknown as ServiceConfig;
}

export function config({ services = [serviceConfig()], ...parts }: Partial<Config> = {}): Config {
  const defaults = configSchema.parse({ services: { backend: SMALLEST } });
  const resolved = { file: '/srv/app/turnout.yaml', state: '/srv/app/.turnout', secrets: [] };
  return { ...defaults, ...resolved, services, ...parts } as unknown as Config;
}

const SMALLEST = { command: ['node', 'server.js'], health: '/health' };

function smallest() {
  return serviceSchema.parse(SMALLEST);
}
