import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Secret } from './config.ts';
import type { Problems } from './problems.ts';
import { keepSecret } from './redact.ts';
import { quote, type Source } from './source.ts';
import { expand } from './variables.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Put after an env file's last line: when it does not come out of the parser whole, something before it was lost. */
const END = 'TURNOUT_END_OF_FILE';

interface Environment {
  env: Record<string, string>;
  secrets: Secret[];
}

/**
 * What a service's replicas get on top of the sidecar's own environment: the env files in their order, then `env`.
 * Reads the raw data, so that its problems are told together with those that the schema found.
 */
export async function readEnvironment(
  source: Source,
  name: string,
  folder: string,
  variables: NodeJS.ProcessEnv,
  problems: Problems,
): Promise<Environment> {
  const env = new Map<string, string>();
  const secrets: Secret[] = [];
  await readFiles(source, name, folder, problems, (key, value) => {
    env.set(key, value);
    keepSecret(secrets, key, value);
  });

  const base = ['services', name, 'env'];
  for (const [key, raw] of Object.entries(mapAt(source, base))) {
    const path = [...base, key];
    const { offset, keyOffset } = source.place(path);
    const wrong = wrongName(key);
    if (wrong) problems.add(keyOffset, wrong);
    const {
      text,
      used,
      problems: sentences,
    } = typeof raw === 'string' ? expand(raw, variables) : { text: source.text(path), used: [], problems: [] };
    if (text.includes('\0')) problems.add(offset, 'found text with a NUL character, expected text that a program can be given');
    for (const sentence of sentences) problems.add(offset, sentence);
    for (const variable of used) keepSecret(secrets, variable, variables[variable]!);
    env.set(key, text);
  }
  return { env: Object.fromEntries(env), secrets };
}

async function readFiles(
  source: Source,
  name: string,
  folder: string,
  problems: Problems,
  entry: (key: string, value: string) => void,
): Promise<void> {
  const base = ['services', name, 'envFile'];
  const raw = source.get(base);
  for (const [index, file] of (Array.isArray(raw) ? raw : [raw]).entries()) {
    // Anything else is the schema's to refuse; variables are refused where all of them are.
    if (typeof file !== 'string' || file === '' || file.includes('\0') || file.includes('${')) continue;
    const { offset } = source.place(Array.isArray(raw) ? [...base, index] : base);
    let text: string;
    try {
      text = await readFile(resolve(folder, file), 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'which does not exist' : `which cannot be read (${code})`;
      problems.add(offset, `found ${quote(file)}, ${reason}, expected a file of KEY=VALUE lines`);
      continue;
    }
    const { [END]: end, ...entries } = parseEnv(`${text}\n${END}=end\n`);
    const broken = brokenLine(text, Object.keys(entries), end === 'end');
    if (broken) problems.add(offset, `found ${quote(file)}, ${broken}, expected KEY=VALUE lines and comments`);
    for (const [key, value] of Object.entries(entries)) {
      const wrong = NAME.test(key) ? wrongName(key) : undefined;
      if (wrong) problems.add(offset, `in ${quote(file)}: ${wrong}`);
      entry(key, value ?? '');
    }
  }
}

/** parseEnv glues a broken line to the next name or ends early. The line is not shown: it may be a secret without its name. */
function brokenLine(text: string, keys: readonly string[], complete: boolean): string | undefined {
  const glued = keys.find((key) => !NAME.test(key));
  const at = glued === undefined ? -1 : text.indexOf(glued);
  if (at >= 0) return `whose line ${text.slice(0, at).split('\n').length} is not understood`;
  return glued !== undefined || !complete ? 'which has a line that is not understood' : undefined;
}

function wrongName(name: string): string | undefined {
  if (!NAME.test(name)) {
    return `found the variable name ${quote(name)}, expected letters, digits and _, not starting with a digit`;
  }
  if (name === 'PORT' || name.startsWith('TURNOUT_')) {
    return `found the variable ${quote(name)}, expected another name: Turnout itself sets PORT and all TURNOUT_ variables`;
  }
  return undefined;
}

function mapAt(source: Source, path: string[]): Record<string, unknown> {
  const value = source.get(path);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
