/** On top of test/unit/njs/njs-globals.d.ts: what reading the counters uses as well. */
interface NgxSharedDict<V extends string | number> {
  items(max: number): [string, V][];
  incr(key: string, by: number, first: number): number;
}

declare const ngx: { shared: Record<string, unknown> };
