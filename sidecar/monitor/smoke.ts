import { type Color, upstreamName } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { checkThroughNginx } from '../health/through-nginx.ts';
import type { SmokeReport } from './report.ts';

/** Runs the smoke checks against exactly these slots. Never rejects. */
export async function smokeThrough(
  gateway: Pick<Gateway, 'probe'>,
  { name, smoke }: ServiceConfig,
  { color, slots }: { color: Color; slots: number[] },
  redact: (text: string) => string,
): Promise<SmokeReport> {
  const upstream = upstreamName(name, color, slots);
  const checks: SmokeReport['checks'] = [];
  // One after another, as a deployment does: a later check may rely on what an earlier one did.
  for (const check of smoke) {
    const { ok, detail } = await checkThroughNginx(gateway, upstream, check, redact);
    checks.push({ path: check.path, ok, detail });
  }
  return { color, checks };
}
