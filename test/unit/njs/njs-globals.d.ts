/// <reference path="../../../njs/njs.d.ts" />

/** As much of njs as the modules under test use; its own types and those of Node do not go together. */
interface NgxSharedDict<V extends string | number> {
  add(key: string, value: V): boolean;
  get(key: string): V | undefined;
  set(key: string, value: V): this;
  delete(key: string): boolean;
}
