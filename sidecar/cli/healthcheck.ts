import { loadConfig } from '../config/load.ts';
import { TurnoutError } from '../errors.ts';
import { ApiClient } from './api-client.ts';
import { type Common, configFile, withStandIns } from './context.ts';
import { DONE } from './exit.ts';
import { print, printJson } from './output.ts';

/** For Docker's HEALTHCHECK, in an image without curl: 0 when the sidecar answers, else 8. Needs no token. */
export async function healthcheck(options: Common): Promise<number> {
  const config = await loadConfig(configFile(options), withStandIns(process.env));
  const { status } = await new ApiClient(config.api.listen, '').get<{ status: string }>('/healthz');
  if (status !== 'ok') throw new TurnoutError('sidecar-unreachable', `the sidecar says ${JSON.stringify(status)}, expected "ok"`);
  if (options.json) printJson({ status });
  else print(status);
  return DONE;
}
