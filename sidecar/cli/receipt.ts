import { COLORS } from '../../njs/route.ts';
import type { Receipt } from '../store/deployment.ts';

/** The receipt in a few lines. */
export function describeReceipt(receipt: Receipt): string {
  const requests = COLORS.map(
    (color) => `${color} ${Object.values(receipt.requests[color]).reduce((sum, count) => sum + count, 0)}`,
  );
  const lines = [`  requests ${requests.join(', ')}; failed ${receipt.failed}; failed over ${receipt.failedOver}`];
  if (receipt.switchedAfterMs !== null) {
    const took = receipt.switchMs === null ? 'by hand' : `in ${receipt.switchMs} ms`;
    lines.push(
      `  switched ${receipt.switchedAfterMs} ms after it was accepted, ${took}; longest gap ${ms(receipt.longestGapMs)}`,
    );
    const { before, after } = receipt.latency;
    lines.push(
      `  p50/p95/p99 before ${ms(before.p50)}/${ms(before.p95)}/${ms(before.p99)}, after ${ms(after.p50)}/${ms(after.p95)}/${ms(after.p99)}`,
    );
  }
  if (receipt.inconclusive) lines.push('  inconclusive: too few requests during the bake to convict anybody');
  if (receipt.gatewayRestarted) lines.push('  nginx was restarted meanwhile: what it had counted before that is missing');
  return lines.join('\n');
}

function ms(value: number | null): string {
  return value === null ? '-' : `${value} ms`;
}
