import { setFlagsFromString } from 'node:v8';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { TurnoutError } from '../errors.ts';
import type { NginxHome } from '../gateway/install.ts';
import { createLog } from '../log.ts';
import { startSidecar } from '../main.ts';
import { type Common, configFile } from './context.ts';
import { INTERRUPTED } from './exit.ts';
import { foundNginx } from './nginx-home.ts';

/** Where the official image has it. */
const DEFAULT_MODULE = '/usr/lib/nginx/modules/ngx_http_js_module.so';

/** npm passes a Ctrl-C on that the terminal has sent already: only one that comes later than this forces. */
const TWICE = 1000;

/**
 * For a process that lives for months and has little to do: V8 lets its heap grow for speed, here by some 50 MB in a hundred
 * deployments. Young objects keep the space that they begin with, and the old ones' grows by a fifth at a time.
 */
const SMALL_HEAP = ['--semi-space-growth-factor=1', '--heap-growing-percent=20'];

/** Gateway and sidecar in the foreground, until a signal. */
export async function up(options: Common): Promise<number> {
  for (const flag of SMALL_HEAP) setFlagsFromString(flag);
  const config = await loadConfig(configFile(options), process.env);
  // Who reads the log may go away, a terminal too; what runs must not.
  for (const out of [process.stdout, process.stderr]) {
    out.removeAllListeners('error');
    out.on('error', () => undefined);
  }
  const log = createLog(process.stdout);
  // From before anything is started: a signal that comes meanwhile must not leave half of it behind.
  const asked = endSignal();
  let reload: () => void = () => undefined;
  process.on('SIGHUP', () => reload());
  const sidecar = await startSidecar(config, nginxHome(config, process.env), process.env, log);
  reload = () => {
    // What was refused is in the log with its reason; the old configuration stays in force.
    sidecar.reload({ remove: false }).catch((error: Error) => log.error({ error: error.message }, 'reload refused'));
  };
  const signal = await asked;
  reload = () => undefined;
  log.info({ signal }, 'stopping: requests in flight end, then the gateway, then every replica; once more to leave at once');
  await sidecar.stop();
  log.info('stopped');
  return 0;
}

/** The first SIGINT or SIGTERM; one that comes more than a second later leaves at once. */
function endSignal(): Promise<string> {
  return new Promise((resolve) => {
    let first: number | null = null;
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        first ??= performance.now();
        if (performance.now() - first > TWICE) process.exit(INTERRUPTED);
        resolve(name);
      });
    }
  });
}

/** A gateway that runs elsewhere has its own nginx; what the image's maker knows of that stands in the environment. */
function nginxHome(config: Config, env: NodeJS.ProcessEnv): NginxHome {
  const { TURNOUT_GATEWAY_MODULE: module = DEFAULT_MODULE, TURNOUT_GATEWAY_VERSION: version = '', TURNOUT_HOME: home } = env;
  if (!config.gateway.managed && home) return { command: [], module, version, home };
  const found = foundNginx(env);
  if (found) return found;
  if (env.TURNOUT_NGINX_PROBLEM)
    throw new TurnoutError('gateway-unusable', env.TURNOUT_NGINX_PROBLEM, { hint: 'See `turnout doctor`.' });
  throw new TurnoutError('gateway-unusable', 'the bootstrap has not said which nginx to use', {
    hint: 'Start Turnout by build/turnout.js.',
  });
}
