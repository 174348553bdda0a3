import type { ServiceConfig } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { LogStream } from './log-stream.ts';
import { Monitor, type Monitored, type MonitorPorts } from './monitor.ts';

/** Milliseconds between two looks that are remembered; how many of them a verdict takes is in usage.ts. */
const LOOK = 4000;
/** Milliseconds that a look may still take when the sidecar ends. */
const LAST_LOOK = 500;

export interface MonitorsParts extends MonitorPorts {
  gateway: MonitorPorts['gateway'] & Pick<Gateway, 'traffics'>;
  runtime: MonitorPorts['runtime'] & Pick<Runtime, 'onExit' | 'list'>;
  /** Those there are now: a reload adds and removes some. */
  services: () => Monitored[];
  /** As turnout.yaml has it now; undefined once it is gone. */
  configOf(service: string): ServiceConfig | undefined;
}

/** The monitors of all services, kept up while the sidecar runs. */
export class Monitors {
  private readonly monitors = new Map<string, Monitor>();
  private readonly stopping = new AbortController();
  private readonly stopListening: () => void;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly parts: MonitorsParts) {
    this.stopListening = parts.runtime.onExit((replica) => {
      for (const monitor of this.monitors.values()) monitor.ended(replica);
    });
  }

  start(): void {
    this.refresh();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.stopListening();
    const waiting = new AbortController();
    await Promise.race([this.running, this.parts.clock.sleep(LAST_LOOK, waiting.signal)]);
    waiting.abort();
    for (const monitor of this.monitors.values()) monitor.end();
  }

  of(service: Monitored): Monitor {
    const known = this.monitors.get(service.name);
    if (known) return known;
    const { configOf } = this.parts;
    let last = configOf(service.name);
    if (!last) throw new TurnoutError('unknown-service', `${service.name} is not in turnout.yaml`);
    const config = () => {
      last = configOf(service.name) ?? (last as ServiceConfig);
      return last;
    };
    const monitor = new Monitor(service, config, this.parts);
    this.monitors.set(service.name, monitor);
    return monitor;
  }

  /** What the replicas of one color of a service write. */
  logs(service: Monitored): LogStream {
    const isThere = () => this.parts.services().includes(service) && !this.stopping.signal.aborted;
    return new LogStream(service.name, isThere, this.parts);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      this.refresh();
      // Of all at once: the gateway reads the counters of every service for each answer.
      const traffics = await this.parts.gateway.traffics().catch(() => []);
      const of = new Map(traffics.map((traffic) => [traffic.service, traffic]));
      await Promise.all([...this.monitors].map(([name, monitor]) => monitor.remember(of.get(name) ?? null)));
      await this.parts.clock.rest(LOOK, signal);
    }
  }

  private refresh(): void {
    const present = this.parts.services();
    for (const [name, monitor] of this.monitors) {
      if (present.some((service) => service.name === name)) continue;
      monitor.end();
      this.monitors.delete(name);
    }
    // One that is being added is known here before its configuration is.
    for (const service of present) if (this.parts.configOf(service.name)) this.of(service);
  }
}
