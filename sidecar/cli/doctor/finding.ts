/** What one check has found. */
export interface Finding {
  /** Stable: scripts look for it. */
  check: string;
  result: 'ok' | 'warn' | 'fail';
  /** May have several lines. */
  found: string;
  /** What to do; null when all is well. */
  remedy: string | null;
}

export function ok(check: string, found: string): Finding {
  return { check, result: 'ok', found, remedy: null };
}

/** It works, but not for long or not as it should. */
export function warn(check: string, found: string, remedy: string): Finding {
  return { check, result: 'warn', found, remedy };
}

/** Turnout does not work, or does not start, like this. */
export function fail(check: string, found: string, remedy: string): Finding {
  return { check, result: 'fail', found, remedy };
}
