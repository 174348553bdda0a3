import { readFile } from 'node:fs/promises';
import { LineCounter, stringify } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { Problems } from '../config/problems.ts';
import { shownConfig } from '../config/shown.ts';
import { Source } from '../config/source.ts';
import { type Common, configFile, withStandIns } from './context.ts';
import { DONE } from './exit.ts';
import { print, printJson } from './output.ts';

/** turnout.yaml as it was understood. Reads it and nothing else; variables need not be set in this shell. */
export async function showConfig(options: Common): Promise<number> {
  const file = configFile(options);
  const config = await loadConfig(file, withStandIns(process.env));
  const lines = new LineCounter();
  const source = new Source(await readFile(file, 'utf8'), lines, new Problems(file, lines));
  const shown = shownConfig(config, source, process.env);
  if (options.json) printJson(shown);
  else print(`# ${config.file}\n${stringify(shown, { lineWidth: 0 })}`.trimEnd());
  return DONE;
}
