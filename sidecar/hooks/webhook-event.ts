import type { Color } from '../../njs/route.ts';
import type { Deployment, Phase } from '../store/deployment.ts';
import type { Written } from '../store/journal.ts';

interface Happened {
  service: string;
  /** What traffic goes to, or is meant to go to. */
  release: string | null;
  /** What served before; null when nothing did. */
  previous: string | null;
  /** The color of `release`. */
  color: Color;
  /** A stable code. */
  reason: string;
  /** Prose for people. Secret values must have been taken out. */
  message: string;
  by: string;
  /** ISO 8601 */
  at: string;
}

/** A deployment entered a phase. */
export interface DeploymentEvent extends Happened {
  kind: 'deployment';
  /** Its id. */
  deployment: string;
  phase: Phase;
}

/** Traffic was moved by hand. */
export interface FlipEvent extends Happened {
  kind: 'flip';
  deployment: null;
  phase: null;
}

export type WebhookEvent = DeploymentEvent | FlipEvent;

/** What a line of the journal tells the outside; null for what only matters inside. */
export function webhookEvent(event: Written, deployment: Deployment | null): WebhookEvent | null {
  const { at, service } = event;
  if (event.kind === 'phase' && deployment?.id === event.deployment) {
    const { release, previous, color, by } = deployment;
    const { phase, reason, message } = event;
    return { kind: 'deployment', deployment: deployment.id, service, release, previous, color, phase, reason, message, by, at };
  }
  if (event.kind === 'flip' && event.deployment === null) {
    const { release, fromRelease: previous, to: color, by } = event;
    const message = `traffic was switched to ${color} by ${by}`;
    return {
      kind: 'flip',
      deployment: null,
      phase: null,
      service,
      release,
      previous,
      color,
      reason: 'manual-flip',
      message,
      by,
      at,
    };
  }
  return null;
}
