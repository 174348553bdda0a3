import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { filled, PAGE } from '../bench/results.ts';
import { tables } from '../bench/tables.ts';

const page = readFileSync(PAGE, 'utf8');

test('every table of docs/performance.md is what was measured last', () => {
  expect(filled(page)).toBe(page);
});

test('docs/performance.md has a place for every measurement', () => {
  const places = [...page.matchAll(/^<!-- (\w+) -->$/gm)].map(([, name]) => name).filter((name) => name !== 'end');
  expect(places.sort()).toEqual(Object.keys(tables).sort());
});
