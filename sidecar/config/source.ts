import type { Alias, Document, LineCounter, Node, Pair, YAMLError } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml';
import type { Problems } from './problems.ts';

export type Path = readonly PropertyKey[];

interface Place {
  /** Where the value begins, or where it would have been. */
  offset: number;
  keyOffset: number;
  node: Node | null;
  /** The first key of the path that is not in the file. */
  missing?: string;
}

/** A parsed file in which every value can be traced back to its place. */
export class Source {
  readonly data: unknown;
  readonly #document: Document.Parsed;

  /** Throws all problems at once when the text has no usable shape; otherwise adds them and goes on. */
  constructor(text: string, lines: LineCounter, problems: Problems) {
    this.#document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false });
    const { errors, warnings } = this.#document;
    for (const error of [...errors, ...warnings]) problems.add(error.pos[0], sentence(error));
    this.#refuseDuplicates(problems);
    if (errors.length > 0) problems.throwIfAny();
    this.data = this.#toData(problems);
    const root = this.#document.contents;
    if (!isMap(root)) {
      problems.add(root?.range[0] ?? 0, `found ${this.found([])}, expected a map with the key services`);
      problems.throwIfAny();
    }
  }

  /** The place of a path, or of its deepest part that is in the file. Aliases are followed to what they stand for. */
  place(path: Path): Place {
    let node: Node | null = this.#document.contents;
    let offset = node?.range?.[0] ?? 0;
    let keyOffset = offset;
    for (const key of path) {
      if (isMap(node)) {
        const pair = node.items.findLast((item) => keyText(item) === String(key));
        if (!pair) return { offset: keyOffset, keyOffset, node, missing: String(key) };
        keyOffset = (pair.key as Node).range?.[0] ?? keyOffset;
        node = this.#resolve(pair.value);
      } else if (isSeq(node)) {
        node = this.#resolve(node.items[Number(key)]);
        keyOffset = node?.range?.[0] ?? keyOffset;
      } else {
        // A shorthand: the text stands for the map that the path goes into.
        break;
      }
      offset = node?.range?.[0] ?? keyOffset;
    }
    return { offset, keyOffset, node };
  }

  has(path: Path): boolean {
    return this.place(path).missing === undefined;
  }

  /** The raw value at a path. */
  get(path: Path): unknown {
    let value = this.data;
    for (const key of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Record<PropertyKey, unknown>)[key];
    }
    return value;
  }

  /** What stands at a path, for a message: short and on one line. */
  found(path: Path): string {
    const { node } = this.place(path);
    if (isMap(node)) return node.items.length > 0 ? 'a map' : 'an empty map';
    if (isSeq(node)) return node.items.length > 0 ? 'a list' : 'an empty list';
    if (!isScalar(node) || node.value === null) return 'nothing';
    return typeof node.value === 'string' ? quote(node.value) : (node.source ?? String(node.value));
  }

  /** A scalar as text. A number stays as it is written: `1.10` is not `1.1`. */
  text(path: Path): string {
    const { node } = this.place(path);
    if (!isScalar(node)) return '';
    return typeof node.value === 'number' ? (node.source ?? String(node.value)) : String(node.value);
  }

  #resolve(value: unknown): Node | null {
    if (isAlias(value)) return value.resolve(this.#document) ?? null;
    return isScalar(value) || isMap(value) || isSeq(value) ? value : null;
  }

  /** Not left to `yaml`, whose own error may point at the end of the line before. */
  #refuseDuplicates(problems: Problems): void {
    visit(this.#document, {
      Map(_key, map) {
        const seen = new Set<string>();
        for (const pair of map.items) {
          const key = keyText(pair);
          const offset = (pair.key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0;
          if (seen.has(key)) problems.add(offset, `found the key ${quote(key)} again in the same map, expected every key once`);
          seen.add(key);
        }
      },
    });
  }

  #toData(problems: Problems): unknown {
    try {
      const data: unknown = this.#document.toJS();
      if (isTree(data)) return data;
      problems.add(this.#firstAlias(), 'found an alias inside of what it stands for, expected values without a circle');
    } catch (error) {
      const reason = error instanceof Error ? oneLine(error.message) : String(error);
      problems.add(
        this.#firstAlias(),
        `found aliases that cannot be resolved (${reason}), expected plain values or a few aliases`,
      );
    }
    problems.throwIfAny();
    return undefined;
  }

  /** Of the alias that stands for nothing; else of the first one. */
  #firstAlias(): number {
    const aliases: Alias[] = [];
    visit(this.#document, { Alias: (_key, alias) => void aliases.push(alias) });
    const culprit = aliases.find((alias) => !alias.resolve(this.#document)) ?? aliases[0];
    return culprit?.range?.[0] ?? 0;
  }
}

/** A text for a message: quoted, escaped, cut when long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** As it becomes the key of an object. */
function keyText({ key }: Pair): string {
  return isScalar(key) ? String(key.value ?? '') : '';
}

function sentence(error: YAMLError): string {
  if (error.code === 'BAD_ALIAS') return `found ${oneLine(error.message)}, expected valid YAML (a star needs quotes: "*")`;
  return `found ${oneLine(error.message)}, expected valid YAML`;
}

function oneLine(text: string): string {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat.charAt(0).toLowerCase() + flat.slice(1);
}

function isTree(value: unknown, above: readonly unknown[] = []): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return !above.includes(value) && Object.values(value).every((inner) => isTree(inner, [...above, value]));
}
