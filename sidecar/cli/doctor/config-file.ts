import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { TurnoutError } from '../../errors.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { findSidecar } from './sidecar.ts';

/** In place of a variable that is not set: also an address, as a webhook wants one. */
const STAND_IN = 'http://not-set-in-this-shell.invalid/';

/** Config: null when nothing can be said about the state folder and the ports. */
export async function checkConfig(file: string, env: NodeJS.ProcessEnv): Promise<{ config: Config | null; finding: Finding }> {
  try {
    const config = await loadConfig(file, env);
    const names = config.services.map(({ name }) => name).join(', ');
    return { config, finding: ok('config', `${config.file} is valid: ${names}`) };
  } catch (thrown) {
    const error = TurnoutError.from(thrown);
    // Doctor is often called in another shell than `up`: missing variables must not hide the rest.
    const filled = new Proxy(env, { get: (known, name: string) => known[name] || STAND_IN });
    const config = await loadConfig(file, filled).catch(() => null);
    if (config) {
      const where = 'set them where `turnout up` and `turnout reload` run';
      const runs = findSidecar(config.state).state === 'alive';
      const finding = runs
        ? warn('config', `${error.message}\n(the sidecar runs, so it has them)`, `${where}; in this shell it does not matter`)
        : fail('config', error.message, where);
      return { config, finding };
    }
    const found = `${error.message}\n(state folder, ports, sidecar and gateway were not looked at)`;
    return { config, finding: fail('config', found, 'mend what is named; `turnout lint` looks again') };
  }
}
