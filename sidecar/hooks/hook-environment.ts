import type { HookFacts } from './hook.ts';

/** The name that ProcessTree knows processes by. */
const MARK = 'TURNOUT_REPLICA';

/**
 * Never the mark of a replica: those begin with an absolute path, so a restarted sidecar can't take a hook for one.
 */
export function hookMark(id: string): string {
  return `hook|${id}`;
}

/** The sidecar's own variables and those of the npm that may have started it stay out, as with replicas. */
export function hookEnvironment(base: NodeJS.ProcessEnv, facts: HookFacts, mark: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(base).filter(([name]) => !/^(turnout|npm)_/i.test(name));
  return {
    ...Object.fromEntries(inherited),
    TURNOUT_EVENT: facts.event,
    TURNOUT_SERVICE: facts.service,
    TURNOUT_RELEASE: facts.release,
    TURNOUT_PREVIOUS: facts.previous ?? '',
    TURNOUT_COLOR: facts.color,
    TURNOUT_DEPLOYMENT: facts.deployment,
    TURNOUT_PHASE: facts.phase,
    TURNOUT_REASON: facts.reason,
    [MARK]: mark,
  };
}
