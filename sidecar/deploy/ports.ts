import type { Color } from '../../njs/route.ts';
import type { Clock } from '../clock.ts';
import type { HealthConfig, HookConfig, ServiceConfig } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Verdict } from '../health/verdict.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Deployment } from '../store/deployment.ts';
import type { JournalEvent } from '../store/events.ts';
import type { Written } from '../store/journal.ts';
import type { HookName } from './step.ts';

/** Everything of the world that the engine touches. */
export interface Ports {
  gateway: Gateway;
  runtime: Runtime;
  clock: Clock;
  /** Rejects with `disk-unusable` when the line is not safely on disk. */
  journal: { append(event: JournalEvent, at: Date): Promise<Written> };
  /** One health check of one replica; never rejects. */
  check(address: string, health: HealthConfig, signal: AbortSignal): Promise<Verdict>;
  /** Runs a hook to its end; never rejects. */
  runHook(name: HookName, hook: HookConfig, facts: HookSubject, signal: AbortSignal): Promise<{ ok: boolean; message: string }>;
  /** Tells whoever wants to know; never blocks. */
  publish(event: Written<JournalEvent>, deployment: Deployment | null): void;
  /** The fixed address of a slot. */
  addressOf(service: string, color: Color, slot: number): string;
}

export interface HookSubject {
  service: ServiceConfig;
  deployment: Deployment;
}
