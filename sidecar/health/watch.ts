import type { Clock } from '../clock.ts';
import type { HealthConfig } from '../config/config.ts';
import type { Replica } from '../runtime/runtime.ts';
import type { Verdict } from './verdict.ts';

/** How a replica is asked, and what time it is. */
export interface HealthPorts {
  clock: Clock;
  check(address: string, health: HealthConfig, signal: AbortSignal): Promise<Verdict>;
}

/** Milliseconds between knocks until a replica first answers HTTP at all. */
const KNOCK = 50;

export type HealthState = 'starting' | 'healthy' | 'unhealthy';

export interface Health {
  state: HealthState;
  /** The latest check; null before the first. */
  last: Verdict | null;
}

/** Checks one replica for as long as it is watched: `successes` in a row make it healthy, `failures` in a row unhealthy. */
export class HealthWatch {
  health: Health = { state: 'starting', last: null };
  private readonly ended = new AbortController();

  constructor(
    private readonly replica: Replica,
    private readonly config: HealthConfig,
    private readonly ports: HealthPorts,
    private readonly onChange: () => void,
  ) {
    void this.run();
  }

  end(): void {
    this.ended.abort();
  }

  private async run(): Promise<void> {
    let good = 0;
    let bad = 0;
    let everAnswered = false;
    while (!this.ended.signal.aborted) {
      const verdict = await this.ports.check(this.replica.address, this.config, this.ended.signal);
      if (this.ended.signal.aborted) return;
      if (verdict.unasked) {
        await this.ports.clock.sleep(this.config.interval, this.ended.signal);
        continue;
      }
      everAnswered ||= verdict.answered;
      good = verdict.ok ? good + 1 : 0;
      bad = verdict.ok ? 0 : bad + 1;
      let { state } = this.health;
      if (good >= this.config.successes) state = 'healthy';
      else if (state === 'healthy' && bad >= this.config.failures) state = 'unhealthy';
      const changed = state !== this.health.state;
      this.health = { state, last: verdict };
      if (changed) this.onChange();
      const { clock } = this.ports;
      if (state === 'healthy' && !changed) await clock.rest(this.config.interval, this.ended.signal);
      else await clock.sleep(everAnswered ? this.config.interval : KNOCK, this.ended.signal);
    }
  }
}

/** The watches of all replicas of one service. */
export class HealthWatches {
  private readonly watches = new Map<string, HealthWatch>();

  constructor(
    private readonly ports: HealthPorts,
    private readonly onChange: () => void,
  ) {}

  /** Watches exactly the living ones of these replicas, from now on. */
  follow(replicas: Replica[], config: HealthConfig): void {
    const living = new Map(replicas.filter((one) => one.alive).map((one) => [one.id, one]));
    for (const [id, watch] of this.watches) {
      if (living.has(id)) continue;
      watch.end();
      this.watches.delete(id);
    }
    for (const [id, replica] of living) {
      if (!this.watches.has(id)) this.watches.set(id, new HealthWatch(replica, config, this.ports, this.onChange));
    }
  }

  of(replica: Replica): Health {
    return this.watches.get(replica.id)?.health ?? { state: 'starting', last: null };
  }

  end(): void {
    for (const watch of this.watches.values()) watch.end();
    this.watches.clear();
  }
}
