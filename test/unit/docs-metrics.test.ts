import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Exposition, familyOf } from '../support/exposition.ts';
import { dashboard, dashboardQueries, promtool, testWithPrometheus } from '../support/prometheus.ts';
import { bench } from './metrics/bench.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const ALERTS = join(DOCS, 'metrics/alerts.yaml');

let scrape: Exposition;
let text: string;
beforeAll(async () => {
  const made = await bench();
  text = await made.metrics.scrape();
  scrape = await made.scrape();
});

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook: string };
}

function rules(): Rule[] {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

/** Names of metrics in a query. */
function namesIn(query: string): string[] {
  return query.match(/\b(turnout|process|nodejs)_[a-z0-9_]+/g) ?? [];
}

/** Every one of these queries is about metrics that exist, with labels that they have. */
function expectKnown(query: string): void {
  const names = namesIn(query);
  expect(names, query).not.toEqual([]);
  for (const name of names) expect(() => familyOf(scrape, name), query).not.toThrow();
  for (const [, name, matchers] of query.matchAll(/([a-z0-9_]+)\{([^}]*)\}/g)) {
    const known = scrape.samples.find((one) => one.name === name)?.labels ?? {};
    for (const [, label] of (matchers as string).matchAll(/([a-z_]+)(?:=~|=|!=|!~)"/g))
      expect(Object.keys(known), `${label} of ${name}`).toContain(label);
  }
}

test('docs/metrics.md has every metric that is told, and no other, with its type and its labels', () => {
  const rows = readFileSync(join(DOCS, 'metrics.md'), 'utf8').matchAll(/^\| `([a-z0-9_]+)` \| (\w+) \| ([a-z, ]*?) ?\|/gm);
  const documented = [...rows].map(([, name, type, labels]) => ({ name, type, labels }));
  const told = [...scrape.families].map(([name, { type }]) => ({ name, type }));
  expect(documented.map(({ name, type }) => ({ name, type })).sort(byName)).toEqual(told.sort(byName));
  for (const { name, labels } of documented) {
    const sample = scrape.samples.find((one) => familyOf(scrape, one.name) === name);
    // What only Node's own metrics may be: without a value so soon.
    if (!sample && name?.startsWith('nodejs_')) continue;
    const known = Object.keys(sample?.labels ?? {}).filter((label) => label !== 'le');
    expect(known.sort().join(', '), name).toBe((labels as string).split(', ').filter(Boolean).sort().join(', '));
  }
});

function byName(one: { name?: string | undefined }, other: { name?: string | undefined }): number {
  return (one.name ?? '').localeCompare(other.name ?? '');
}

test('every query of the dashboard is about metrics that exist', () => {
  const queries = dashboardQueries();
  expect(queries.length).toBeGreaterThan(25);
  for (const { query } of queries) {
    expectKnown(query);
    expect(query, 'a variable that nobody fills').not.toContain('$');
  }
});

test('the dashboard can be imported: panels have ids of their own, a place that is free, and the data source that is chosen', () => {
  const { panels, templating, schemaVersion } = dashboard() as unknown as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number }; datasource?: { uid: string } }[];
    templating: { list: { name: string }[] };
    schemaVersion: number;
  };
  expect(schemaVersion).toBeGreaterThanOrEqual(39);
  expect(templating.list.map((one) => one.name)).toEqual(['datasource', 'service']);
  expect(new Set(panels.map((one) => one.id)).size).toBe(panels.length);
  const taken = new Set<string>();
  for (const { gridPos, datasource = { uid: '${datasource}' } } of panels) {
    expect(datasource.uid).toBe('${datasource}');
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x} ${y}`), `two panels at ${x} ${y}`).toBe(false);
        taken.add(`${x} ${y}`);
      }
    }
  }
});

test('every alert is about metrics that exist, and says how bad it is and what to do', () => {
  expect(rules().length).toBeGreaterThan(8);
  for (const { alert, expr, labels, annotations } of rules()) {
    expectKnown(expr);
    expect(alert).toMatch(/^Turnout[A-Z]/);
    expect(['warning', 'critical']).toContain(labels.severity);
    for (const said of [annotations.summary, annotations.description, annotations.runbook]) expect(said, alert).toMatch(/\w{3}/);
  }
});

testWithPrometheus('promtool has nothing against the metrics', {}, async () => {
  expect(await promtool(['check', 'metrics'], text)).toEqual({ code: 0, said: '' });
});

testWithPrometheus('promtool has nothing against the alerts', {}, async () => {
  expect(await promtool(['check', 'rules', ALERTS])).toMatchObject({ code: 0 });
});

testWithPrometheus('each alert fires when it should, and not before', {}, async () => {
  const { code, said } = await promtool(['test', 'rules', join(import.meta.dirname, 'metrics/alerts.rules.yaml')]);
  expect(code, said).toBe(0);
});

test('there is a case for each alert', () => {
  const cases = readFileSync(join(import.meta.dirname, 'metrics/alerts.rules.yaml'), 'utf8');
  for (const { alert } of rules()) expect(cases).toContain(`alertname="${alert}"`);
});
