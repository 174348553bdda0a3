export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
  /** Name and labels as they were told. */
  series: string;
}

export interface Exposition {
  /** Type and help by the name of the family; a histogram is one. */
  families: Map<string, { type: string; help: string }>;
  samples: Sample[];
  /** By series. */
  values: Map<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y;

/** Reads Prometheus' text format 0.0.4; throws on whatever is none: no escape too few, no series told twice, no NaN. */
export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const found: Exposition = { families: new Map(), samples: [], values: new Map() };
  const helps = new Map<string, string>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, help, words] = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line) ?? [];
    const [, typed, type] = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`).exec(line) ?? [];
    if (help !== undefined) helps.set(help, words as string);
    else if (typed !== undefined) {
      if (found.families.has(typed)) throw new Error(`${typed} is told twice`);
      found.families.set(typed, { type: type as string, help: helps.get(typed) ?? '' });
    } else take(found, line);
  }
  return found;
}

function take(found: Exposition, line: string): void {
  const [, series, name, inner, number] = new RegExp(`^((${NAME})(?:\\{(.*)\\})?) (\\S+)$`).exec(line) ?? [];
  if (series === undefined || name === undefined) throw new Error(`no sample: ${line}`);
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  if (found.values.has(series)) throw new Error(`told twice: ${series}`);
  found.values.set(series, value);
  found.samples.push({ name, labels: labelsOf(inner ?? ''), value, series });
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined || name in labels) throw new Error(`no labels: ${text}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

/** The family that a sample belongs to. */
export function familyOf({ families }: Exposition, name: string): string {
  if (families.has(name)) return name;
  const [, stem] = /^(.*)_(?:bucket|sum|count)$/.exec(name) ?? [];
  if (stem !== undefined && families.get(stem)?.type === 'histogram') return stem;
  throw new Error(`${name} has no family`);
}

/** The values of one name by the values of these labels, joined by a space. */
export function valuesOf({ samples }: Exposition, name: string, ...labels: string[]): Record<string, number> {
  const own = samples.filter((one) => one.name === name);
  return Object.fromEntries(own.map((one) => [labels.map((label) => one.labels[label]).join(' '), one.value]));
}
