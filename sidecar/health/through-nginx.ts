import type { SmokeCheck } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { judge, type Verdict } from './verdict.ts';

/** Asks exactly these slots once, through nginx and uncounted, whatever the route says. Never rejects. */
export async function checkThroughNginx(
  gateway: Pick<Gateway, 'probe'>,
  upstream: string,
  { path, timeout, expect }: SmokeCheck,
  clean: (text: string) => string,
): Promise<Verdict> {
  const asked = `GET ${path} through nginx to ${upstream}`;
  try {
    const { status, body } = await gateway.probe(upstream, path, timeout);
    return judge(asked, status, body, expect, clean);
  } catch (error) {
    const { name, message } = error as Error;
    const why = name === 'TimeoutError' ? `gave no whole answer within ${timeout} ms` : `failed: ${clean(message)}`;
    return { ok: false, answered: false, detail: `${asked} ${why}` };
  }
}
