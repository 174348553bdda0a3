import type { NginxHome } from '../gateway/install.ts';

/** What the bootstrap has found for a verb that also works without nginx; see build/prepare.js. */
export function foundNginx(env: NodeJS.ProcessEnv): NginxHome | null {
  const {
    TURNOUT_NGINX_PROBLEM: problem,
    TURNOUT_NGINX_COMMAND: command,
    TURNOUT_NGINX_MODULE: module,
    TURNOUT_NGINX_VERSIONS: versions,
    TURNOUT_HOME: home,
  } = env;
  // The problem first: the other variables may come from a Turnout that has started this one.
  if (problem || !command || module === undefined || !home) return null;
  const { nginx = '' } = JSON.parse(versions || '{}') as { nginx?: string };
  return { command: JSON.parse(command) as string[], module, version: nginx, home };
}
