import { upstreamName } from '../../njs/route.ts';
import type { ServiceConfig, SmokeCheck } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import { checkThroughNginx } from '../health/through-nginx.ts';
import type { Deployment } from '../store/deployment.ts';
import type { Trial } from './observed.ts';
import type { Ports } from './ports.ts';

/** Warm-up requests under way at once. */
const AT_ONCE = 4;
/** Milliseconds before it is asked through nginx again. */
const PROVE_AGAIN = 100;
/** Milliseconds for one warm-up request; what it answers does not matter. */
const WARM_LIMIT = 10_000;

const FRESH: Trial = {
  prepared: false,
  progress: '',
  proven: false,
  proofFailure: '',
  warmed: false,
  smoked: false,
  smokeFailure: null,
};

/** Asks the new color alone, through nginx, while nobody else does. Remembers how far one deployment has come. */
export class Trials {
  private id = '';
  private present: Trial = FRESH;

  constructor(
    private readonly config: () => ServiceConfig,
    private readonly ports: Pick<Ports, 'gateway' | 'clock' | 'runtime'>,
    private readonly redact: (text: string) => string,
  ) {}

  of(deployment: Deployment | null): Trial {
    if (deployment && deployment.id !== this.id) {
      this.id = deployment.id;
      this.present = FRESH;
    }
    return this.present;
  }

  /** Answers exactly which image it is; rejects when it cannot be had. */
  async prepare(deployment: Deployment, signal: AbortSignal): Promise<string> {
    const { image, digest } = deployment;
    const request = { reference: image ?? '', pinned: digest, pull: this.config().pull };
    const told = (progress: string) => this.note(deployment, { progress: this.redact(progress) });
    return this.ports.runtime.prepare(request, told, signal);
  }

  prepared(deployment: Deployment): void {
    this.note(deployment, { prepared: true, progress: '' });
  }

  /** One request for each replica: nginx' own failure marks, its own connections. */
  async prove(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { health } = this.config();
    const { path } = health;
    if (path === null) return this.note(deployment, { proven: true });
    try {
      for (let asked = 0; asked < deployment.slots.length; asked++)
        await this.ask(deployment, { path, timeout: health.timeout, expect: health.expect });
      this.note(deployment, { proven: true });
    } catch (error) {
      this.note(deployment, { proofFailure: (error as Error).message });
      await this.ports.clock.sleep(PROVE_AGAIN, signal);
    }
  }

  async warm(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const upstream = upstreamOf(deployment);
    const paths = this.config().warm.flatMap(({ path, count }) => Array.from({ length: count }, () => path));
    const one = async () => {
      for (let path = paths.pop(); path !== undefined && !signal.aborted; path = paths.pop()) {
        await this.ports.gateway.probe(upstream, path, WARM_LIMIT).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    if (!signal.aborted) this.note(deployment, { warmed: true });
  }

  async smoke(deployment: Deployment, signal: AbortSignal): Promise<void> {
    try {
      for (const check of this.config().smoke) {
        if (signal.aborted) return;
        await this.ask(deployment, check);
      }
      this.note(deployment, { smoked: true });
    } catch (error) {
      this.note(deployment, { smokeFailure: (error as Error).message });
    }
  }

  private async ask(deployment: Deployment, check: SmokeCheck): Promise<void> {
    const { ok, detail } = await checkThroughNginx(this.ports.gateway, upstreamOf(deployment), check, this.redact);
    if (!ok) throw new TurnoutError('gateway-unusable', detail);
  }

  private note(deployment: Deployment, progress: Partial<Trial>): void {
    this.present = { ...this.of(deployment), ...progress };
  }
}

function upstreamOf({ service, color, slots }: Deployment): string {
  return upstreamName(service, color, slots);
}
