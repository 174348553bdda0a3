import { loadConfig } from '../config/load.ts';
import { TurnoutError } from '../errors.ts';
import type { NginxHome } from '../gateway/install.ts';
import { createLog } from '../log.ts';
import { startSidecar } from '../main.ts';
import { type Common, configFile } from './context.ts';
import { INTERRUPTED } from './exit.ts';

/** npm passes a Ctrl-C on that the terminal has sent already: only one that comes later than this forces. */
const TWICE = 1000;

/** Gateway and sidecar in the foreground, until a signal. */
export async function up(options: Common): Promise<number> {
  const config = await loadConfig(configFile(options), process.env);
  const log = createLog(process.stdout);
  const sidecar = await startSidecar(config, nginxHome(process.env), process.env, log);
  const reload = () => {
    // What was refused is in the log with its reason; the old configuration stays in force.
    sidecar.reload({ remove: false }).catch((error: Error) => log.error({ error: error.message }, 'reload refused'));
  };
  process.on('SIGHUP', reload);
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, resolve);
  });
  process.off('SIGHUP', reload);
  const asked = performance.now();
  const force = () => {
    if (performance.now() - asked > TWICE) process.exit(INTERRUPTED);
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, force);
  log.info({ signal }, 'stopping: requests in flight end, then the gateway, then every replica; once more to leave at once');
  await sidecar.stop();
  log.info('stopped');
  return 0;
}

/** What the bootstrap has found; see build/turnout.js. */
function nginxHome(env: NodeJS.ProcessEnv): NginxHome {
  const { TURNOUT_NGINX_COMMAND: command, TURNOUT_NGINX_MODULE: module, TURNOUT_HOME: home } = env;
  if (!command || module === undefined || !home) {
    throw new TurnoutError('gateway-unusable', 'the bootstrap has not said which nginx to use', {
      hint: 'Start Turnout by build/turnout.js.',
    });
  }
  return { command: JSON.parse(command) as string[], module, home };
}
