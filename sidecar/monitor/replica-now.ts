import type { Clock } from '../clock.ts';
import type { HealthConfig } from '../config/config.ts';
import type { ObservedReplica } from '../deploy/observed.ts';
import type { Verdict } from '../health/verdict.ts';
import type { HealthPorts } from '../health/watch.ts';
import type { ReplicaState } from './report.ts';

/** Milliseconds that a check of the monitor may take, whatever `health.timeout` allows: somebody waits for the answer. */
const PATIENCE = 3000;
/** Milliseconds before a check that failed is made once more: one bad answer may be chance. */
const AGAIN = 200;

/** How a replica is at this moment: what its health watch believes, and what it answers when it is asked now. */
export class CheckNow {
  constructor(private readonly ports: { clock: Clock; check: HealthPorts['check'] }) {}

  async of(replica: ObservedReplica, health: HealthConfig): Promise<{ state: ReplicaState; detail: string }> {
    if (!replica.alive) return { state: 'dead', detail: endOf(replica) };
    const { state, last } = replica.health;
    const now = await this.twice(replica.address, health);
    // Nobody could ask, or not long enough: the watch knows better.
    if (now.unasked || (!now.ok && !now.answered && health.timeout > PATIENCE))
      return { state, detail: state === 'healthy' ? '' : (last?.detail ?? '') };
    if (state === 'unhealthy') return { state, detail: now.ok ? (last?.detail ?? '') : now.detail };
    if (now.ok) return { state: 'healthy', detail: now.detail };
    return { state: state === 'healthy' ? 'failing' : 'starting', detail: now.detail };
  }

  private async twice(address: string, health: HealthConfig): Promise<Verdict> {
    const { clock, check } = this.ports;
    const once = () => check(address, { ...health, timeout: Math.min(health.timeout, PATIENCE) }, new AbortController().signal);
    const first = await once();
    if (first.ok) return first;
    await clock.sleep(AGAIN);
    return once();
  }
}

function endOf({ exit }: ObservedReplica): string {
  if (exit === null) return 'ended, nobody saw how';
  return exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
}
