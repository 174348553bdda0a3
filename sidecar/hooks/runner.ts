import { dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Ports } from '../deploy/ports.ts';
import { runHook } from './run-hook.ts';

/** Runs hooks in the folder of turnout.yaml; their output goes to `<state>/logs/<service>/hook-<name>-<deployment>.log`. */
export function hookRunner(config: () => Config, env: NodeJS.ProcessEnv): Ports['runHook'] {
  return async (name, hook, { service, deployment }, signal) => {
    const { file, state } = config();
    const log = join(state, 'logs', service.name, `hook-${name}-${deployment.id}.log`);
    const { id, release, previous, color, phase, reason } = deployment;
    const facts = { event: name, service: service.name, release, previous, color, deployment: id, phase, reason };
    return runHook(hook, facts, { cwd: dirname(file), env, log, signal });
  };
}
