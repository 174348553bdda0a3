import { pino } from 'pino';
import { afterEach, expect } from 'vitest';

import type { WebhookConfig } from '../../../sidecar/config/config.ts';
import type { DeploymentEvent, FlipEvent } from '../../../sidecar/hooks/webhook-event.ts';
import { Webhooks, type WebhooksParts } from '../../../sidecar/hooks/webhooks.ts';
import { FakeClock } from '../../support/clock.ts';
import { eventually } from '../../support/processes.ts';
import { Receiver } from './receiver.ts';

export const LIVE: DeploymentEvent = {
  kind: 'deployment',
  service: 'backend',
  deployment: 'd-7',
  release: 'v2',
  previous: 'v1',
  color: 'green',
  phase: 'live',
  reason: 'bake-passed',
  message: 'v2 serves from green',
  by: 'ci',
  at: '2026-01-01T12:00:00.000Z',
};

export const FLIP: FlipEvent = { ...LIVE, kind: 'flip', deployment: null, phase: null, reason: 'manual-flip', by: 'control-api' };

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Webhooks with a clock that stands still, a log to look into and no chance: every wait is its shortest. */
export class Bench {
  readonly clock = new FakeClock(100_000, Date.now());
  readonly lines: Record<string, unknown>[] = [];
  readonly webhooks: Webhooks;

  constructor(configs: (Partial<WebhookConfig> & { url: string })[], parts: Partial<WebhooksParts> = {}) {
    const log = pino({ base: null }, { write: (line: string) => void this.lines.push(JSON.parse(line)) });
    const webhooks = configs.map((one): WebhookConfig => ({ format: 'json', secret: null, ...one }));
    this.webhooks = new Webhooks({ webhooks, clock: this.clock, log, random: () => 0, ...parts });
    closing.push(async () => {
      const stopping = this.webhooks.stop();
      this.clock.advance(2000);
      await stopping;
    });
  }

  /** Messages of the log, in order. */
  get told(): unknown[] {
    return this.lines.map(({ msg }) => msg);
  }

  /** Waits until a retry is that many milliseconds away, and lets them pass. */
  async retryAfter(ms: number): Promise<void> {
    await eventually(`a retry in ${ms} ms, not ${this.clock.sleeping}`, () => this.clock.sleeping.includes(ms));
    expect(this.clock.sleeping).toEqual([ms]);
    this.clock.advance(ms);
  }
}

export async function receiver(): Promise<Receiver> {
  const made = await new Receiver().listen();
  closing.push(() => made.close());
  return made;
}

/** Events in a row that can be told apart. */
export function events(count: number): DeploymentEvent[] {
  return Array.from({ length: count }, (_, index) => ({ ...LIVE, deployment: `d-${index + 1}` }));
}
