import type { Color } from '../../njs/route.ts';
import type { Phase } from '../store/deployment.ts';

/** When a hook runs: `beforeSwitch` may still stop the deployment, the others can only act on what has happened. */
export type HookEvent = 'beforeSwitch' | 'afterLive' | 'afterRollback';

/** What a hook is told, as variables TURNOUT_*. */
export interface HookFacts {
  event: HookEvent;
  service: string;
  /** Also stands for `{release}` in the command. */
  release: string;
  /** Null when nothing served before: the variable is empty then. */
  previous: string | null;
  /** The color of `release`. */
  color: Color;
  /** The deployment's id. */
  deployment: string;
  phase: Phase;
  /** A stable code. */
  reason: string;
}

export interface HookResult {
  /** Exit code 0 within the limit, and not aborted. */
  ok: boolean;
  /** Null when a signal ended it, or when it never ran. */
  code: number | null;
  signal: string | null;
  timedOut: boolean;
  /** From the call until its whole tree had ended. */
  ms: number;
  /** At most 10, oldest first, each cut to 500 characters. May hold whatever the command printed: redact before keeping. */
  lastLines: string[];
  /** For people: what was run, how it ended and what was expected. Quotes the command: redact before keeping. */
  message: string;
}
