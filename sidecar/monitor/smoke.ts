import { type Color, upstreamName } from '../../njs/route.ts';
import type { ServiceConfig, SmokeCheck } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { judge } from '../health/verdict.ts';
import type { SmokeReport } from './report.ts';

/** Runs the smoke checks against exactly these slots, through nginx and uncounted. Never rejects. */
export async function smokeThrough(
  gateway: Pick<Gateway, 'probe'>,
  { name, smoke }: ServiceConfig,
  { color, slots }: { color: Color; slots: number[] },
  redact: (text: string) => string,
): Promise<SmokeReport> {
  const upstream = upstreamName(name, color, slots);
  const ask = async ({ path, timeout, expect }: SmokeCheck) => {
    const asked = `GET ${path} through nginx to ${upstream}`;
    try {
      const { status, body } = await gateway.probe(upstream, path, timeout);
      const { ok, detail } = judge(asked, status, body, expect, redact);
      return { path, ok, detail };
    } catch (error) {
      const { name, message } = error as Error;
      const why = name === 'TimeoutError' ? `gave no whole answer within ${timeout} ms` : `failed: ${redact(message)}`;
      return { path, ok: false, detail: `${asked} ${why}` };
    }
  };
  const checks: SmokeReport['checks'] = [];
  // One after another, as a deployment does: a later check may rely on what an earlier one did.
  for (const check of smoke) checks.push(await ask(check));
  return { color, checks };
}
