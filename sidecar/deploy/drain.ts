/** Milliseconds between two readings that must both be zero: a request may have read the route just before it changed. */
const APART = 500;

/** Watches what is in flight in whatever drains: a color, or one slot of it. */
export class Drains {
  private readonly zeroSince = new Map<string, number>();
  private readonly quiet = new Set<string>();

  /** Takes a reading of `key`; null: it does not drain, or could not be read. */
  read(key: string, inFlight: number | null, now: number): void {
    if (inFlight !== 0) {
      this.zeroSince.delete(key);
      this.quiet.delete(key);
      return;
    }
    const since = this.zeroSince.get(key) ?? now;
    this.zeroSince.set(key, since);
    if (now - since >= APART) this.quiet.add(key);
  }

  isQuiet(key: string): boolean {
    return this.quiet.has(key);
  }
}
