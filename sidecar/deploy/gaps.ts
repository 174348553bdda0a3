import { total } from '../../njs/conviction.ts';
import type { Deployment } from '../store/deployment.ts';
import { type Mark, sumOf } from '../watch/counts.ts';

/** The longest time in which no request finished during a deployment, from the counters as often as they are read. */
export class Gaps {
  private id = '';
  private finished = -1;
  private lastFinishAt: number | null = null;
  private longestSoFar: number | null = null;

  read(deployment: Deployment | null, traffic: Mark | null, now: number): void {
    if (!deployment || !traffic) return;
    const finished = sumOf(traffic.colors, total);
    if (deployment.id !== this.id) {
      this.id = deployment.id;
      this.lastFinishAt = null;
      this.longestSoFar = null;
      this.finished = finished;
    }
    if (finished === this.finished) return;
    if (this.lastFinishAt !== null) this.longestSoFar = Math.max(this.longestSoFar ?? 0, Math.round(now - this.lastFinishAt));
    this.lastFinishAt = now;
    this.finished = finished;
  }

  longest(deployment: Deployment): number | null {
    return deployment.id === this.id ? this.longestSoFar : null;
  }
}
