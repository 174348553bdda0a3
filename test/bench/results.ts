import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/turnout.ts';
import { tables } from './tables.ts';

/** What was measured last, one file for each measurement; docs/performance.md shows all of it. */
const FOLDER = join(import.meta.dirname, 'results');
export const PAGE = join(ROOT, 'docs/performance.md');

/** Keeps what was measured, and puts it into docs/performance.md. */
export function keep<Name extends keyof typeof tables>(name: Name, result: Parameters<(typeof tables)[Name]>[0]): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${name}.json`), `${JSON.stringify(result, rounded, 1)}\n`);
  const page = filled(readFileSync(PAGE, 'utf8'), [name]);
  writeFileSync(PAGE, page);
  const [, table = ''] = new RegExp(`<!-- ${name} -->\n\n([\\s\\S]*?)\n<!-- end -->`).exec(page) ?? [];
  console.log(`${name}:\n${table}`);
}

/** The page with these tables made anew from what is kept; default: all. */
export function filled(page: string, names: string[] = Object.keys(tables)): string {
  return page.replace(/<!-- (\w+) -->\n[\s\S]*?<!-- end -->/g, (found, name: keyof typeof tables) => {
    if (!names.includes(name)) return found;
    const result = JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8'));
    return `<!-- ${name} -->\n\n${tables[name](result)}\n\n<!-- end -->`;
  });
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}
