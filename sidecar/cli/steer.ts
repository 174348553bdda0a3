import type { Reloaded } from '../deploy/fleet.ts';
import type { ServiceView } from '../deploy/view.ts';
import { TurnoutError } from '../errors.ts';
import { type Deployment, isEnd } from '../store/deployment.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { follow } from './deploy.ts';
import { DONE } from './exit.ts';
import { print, printJson } from './output.ts';

/** Shows the rest of the deployment, and ends with its exit code. */
export function promote(named: string | undefined, options: Common): Promise<number> {
  return steer('promote', named, options);
}

/** Shows the rest of the deployment; 0 when it has ended by being aborted. */
export async function abort(named: string | undefined, options: Common): Promise<number> {
  const code = await steer('abort', named, options);
  return code === 4 || code === 5 ? DONE : code;
}

async function steer(verb: 'promote' | 'abort', named: string | undefined, options: Common): Promise<number> {
  const { config, api } = await connect(options);
  const service = serviceOf(config, named);
  const { deployment } = await api.get<ServiceView>(`/v1/services/${service}`);
  if (!deployment || isEnd(deployment.phase)) throw new TurnoutError('not-running', `no deployment of ${service} is running`);
  return follow(
    api,
    await api.post<Deployment>(`/v1/deployments/${deployment.id}/${verb}`, {}),
    Number.POSITIVE_INFINITY,
    options,
  );
}

export async function reload(options: Common & { remove?: boolean }): Promise<number> {
  const { api } = await connect(options);
  const done = await api.post<Reloaded>('/v1/reload', { remove: options.remove ?? false });
  if (options.json) printJson(done);
  else {
    const said = Object.entries(done).filter(([, names]) => names.length > 0);
    print(
      said.length === 0
        ? 'reloaded: no service has changed'
        : said.map(([what, names]) => `${what}: ${names.join(', ')}`).join('\n'),
    );
  }
  return DONE;
}
