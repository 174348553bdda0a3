import type { Problems } from './problems.ts';
import { type Path, quote, type Source } from './source.ts';

interface Expansion {
  text: string;
  /** Names of the variables whose value was put in; a default's text is in the file anyway. */
  used: string[];
  /** Sentences: what was found and what was expected. */
  problems: string[];
}

/** `$${` first, then whatever begins like a variable, so that a broken one is seen and not passed on as text. */
const VARIABLE = /\$\$\{|\$\{([^}]*)(\}?)/g;

/** `${VAR}`, `${VAR:-default}` (unset or empty), `${VAR:?message}` (likewise), and `$${` for a plain `${`. */
export function expand(text: string, env: NodeJS.ProcessEnv): Expansion {
  const used: string[] = [];
  const problems: string[] = [];
  const result = text.replace(VARIABLE, (whole: string, inner: string | undefined, end: string) => {
    if (inner === undefined) return '${';
    const match = end === '' ? null : /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/.exec(inner);
    if (!match || inner.includes('${')) {
      problems.push(`found ${quote(whole)}, expected \${VAR}, \${VAR:-default} or \${VAR:?message}, or $\${ for a plain \${`);
      return '';
    }
    const [, name, kind, rest] = match as unknown as [string, string, '-' | '?' | undefined, string | undefined];
    const value = env[name];
    if (value !== undefined && (value !== '' || kind === undefined)) {
      used.push(name);
      return value;
    }
    if (kind === '-') return rest ?? '';
    problems.push(missing(name, value === '' ? 'empty' : 'not set', kind === '?' ? rest : undefined));
    return '';
  });
  return { text: result, used, problems };
}

function missing(name: string, state: string, message: string | undefined): string {
  // One problem is one line, whatever the author of the message wrote.
  const reason = message ? `: ${message.replace(/\s+/g, ' ').trim()}` : '';
  return `the variable ${name} is ${state}${reason}, expected it in the environment or a default as in \${${name}:-default}`;
}

/** Values with variables are secrets, and only these places are kept out of what Turnout writes and shows. */
export function refuseMisplacedVariables(source: Source, refused: ReadonlySet<string>, problems: Problems): void {
  const walk = (value: unknown, path: Path): void => {
    if (mayHoldVariables(path) || refused.has(pathKey(path))) return;
    if (typeof value === 'string' && value.includes('${')) {
      const sentence =
        `found ${quote(value)}, expected text without \${: ` +
        'variables work only in the values of env and in url and secret of webhooks';
      problems.add(source.place(path).offset, sentence, { alone: true });
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    }
  };
  walk(source.data, []);
}

/** A path as one text, to be looked up in a set. */
export function pathKey(path: Path): string {
  return JSON.stringify(path.map(String));
}

function mayHoldVariables(path: Path): boolean {
  if (path.length === 4) return path[0] === 'services' && path[2] === 'env';
  return path.length === 3 && path[0] === 'webhooks' && (path[2] === 'url' || path[2] === 'secret');
}
