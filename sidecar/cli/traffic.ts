import { isColor, type Route } from '../../njs/route.ts';
import { TurnoutError } from '../errors.ts';
import type { Deployment } from '../store/deployment.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { follow } from './deploy.ts';
import { DONE } from './exit.ts';
import { print, printJson } from './output.ts';

/** `switch [service] color`: commander hands over one or two words. */
export async function switchTraffic(words: string[], options: Common & { force?: boolean }): Promise<number> {
  const color = words.at(-1);
  if (words.length > 2 || !isColor(color)) {
    throw new TurnoutError(
      'invalid-color',
      `"${words.join(' ')}" does not end in a color, expected [service] blue or [service] green`,
    );
  }
  const { config, api } = await connect(options);
  const service = serviceOf(config, words.length === 2 ? words[0] : undefined);
  const route = await api.post<Route>(`/v1/services/${service}/switch`, { color, force: options.force ?? false });
  return showRoute(route, options);
}

/** Instant while the other color is warm; else a deployment of the release before, shown as one. */
export async function rollback(named: string | undefined, options: Common): Promise<number> {
  const { config, api } = await connect(options);
  const service = serviceOf(config, named);
  const done = await api.post<Route | Deployment>(`/v1/services/${service}/rollback`, {});
  return 'phase' in done ? follow(api, done, Number.POSITIVE_INFINITY, options) : showRoute(done, options);
}

function showRoute(route: Route, options: Common): number {
  if (options.json) printJson(route);
  else
    print(
      `${route.service}: ${route.active} is live with ${route.colors[route.active].release} (generation ${route.generation})`,
    );
  return DONE;
}
