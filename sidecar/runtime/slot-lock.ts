import type { Slot } from './runtime.ts';

/** One at a time per slot, in the order of asking. */
export class SlotLock {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
    const key = slotKey(slot);
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const settled = mine
      .catch(() => {})
      .then(() => {
        if (this.#last.get(key) === settled) this.#last.delete(key);
      });
    this.#last.set(key, settled);
    return mine;
  }
}

export function slotKey({ service, color, slot }: Slot): string {
  return `${service}/${color}/${slot}`;
}
