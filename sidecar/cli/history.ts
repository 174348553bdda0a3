import type { HistoryEntry } from '../store/record.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { DONE } from './exit.ts';
import { print, printJson, table } from './output.ts';

/** Newest first; with --json one object per line. */
export async function history(named: string | undefined, options: Common): Promise<number> {
  const { config, api } = await connect(options);
  const names = named === undefined ? config.services.map((one) => one.name) : [serviceOf(config, named)];
  const answers = await Promise.all(names.map((name) => api.get<{ history: HistoryEntry[] }>(`/v1/services/${name}/history`)));
  const entries = answers.flatMap((answer) => answer.history).sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  if (options.json) entries.forEach(printJson);
  else if (entries.length === 0) print('nothing has happened yet');
  else
    print(
      table(
        entries.map((one) => [
          one.startedAt,
          one.service,
          one.kind,
          one.release ?? '-',
          one.color,
          one.phase ?? '',
          one.reason,
          `by ${one.by}`,
        ]),
      ),
    );
  return DONE;
}
