import { COLORS, type Color } from '../../njs/route.ts';

/** Milliseconds between two readings that must both be zero: a request may have read the route just before it changed. */
const APART = 500;

/** Watches what is in flight in a draining color. */
export class Drains {
  private readonly zeroSince: Record<Color, number | null> = { blue: null, green: null };
  private readonly quietNow: Record<Color, boolean> = { blue: false, green: false };

  /** Takes a reading of a color that drains, or null: it does not, or could not be read. */
  read(color: Color, inFlight: number | null, now: number): void {
    if (inFlight !== 0) {
      this.zeroSince[color] = null;
      this.quietNow[color] = false;
      return;
    }
    this.zeroSince[color] ??= now;
    this.quietNow[color] = now - this.zeroSince[color] >= APART;
  }

  get quiet(): Record<Color, boolean> {
    return { ...this.quietNow };
  }

  forget(): void {
    for (const color of COLORS) this.read(color, null, 0);
  }
}
