import { type Finding, fail, ok } from './finding.ts';

/** What the bootstrap has found; it has just started that nginx once to hear njs' version. */
export function checkNginx(env: NodeJS.ProcessEnv): Finding {
  const { TURNOUT_NGINX_PROBLEM: problem, TURNOUT_NGINX_COMMAND: command, TURNOUT_NGINX_VERSIONS: versions } = env;
  if (problem || !command || !versions) {
    return fail(
      'nginx',
      problem ?? 'nobody has looked for one: Turnout was not started by build/turnout.js',
      'set TURNOUT_NGINX to the path of an nginx with njs >= 1.0, or let this machine fetch one by apt',
    );
  }
  const { nginx, njs, source } = JSON.parse(versions) as { nginx: string; njs: string; source: string };
  const binary = (JSON.parse(command) as string[]).at(-1);
  return ok('nginx', `nginx ${nginx} with njs ${njs}, from ${FROM[source] ?? source}: ${binary}`);
}

const FROM: Record<string, string> = { PATH: 'PATH', cache: 'the private copy', TURNOUT_NGINX: 'TURNOUT_NGINX' };
