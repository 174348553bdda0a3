import { type Color, isColor } from '../../njs/route.ts';
import { TurnoutError } from '../errors.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { DONE } from './exit.ts';

export interface LogsOptions extends Common {
  follow?: boolean;
  tail?: string;
}

/** `logs [service] [color]`: commander hands over up to two words. Ctrl-C ends following, and is no failure. */
export async function logs(words: string[], options: LogsOptions): Promise<number> {
  const { config, api } = await connect(options);
  const { service, color } = read(words, (name) => serviceOf(config, name));
  const query = new URLSearchParams();
  if (color) query.set('color', color);
  if (options.tail !== undefined) query.set('tail', options.tail);
  if (options.follow) query.set('follow', '1');
  if (options.json) query.set('json', '1');
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort());
  await api.stream(`/v1/services/${service}/logs?${query}`, (text) => process.stdout.write(text), stopped.signal);
  return DONE;
}

function read(words: string[], serviceNamed: (name?: string) => string): { service: string; color: Color | null } {
  const last = words.at(-1);
  const color = isColor(last) ? last : null;
  const rest = color ? words.slice(0, -1) : words;
  if (rest.length < 2) return { service: serviceNamed(rest[0]), color };
  throw new TurnoutError('usage', `"${words.join(' ')}" is not understood, expected [service] [blue|green]`);
}
