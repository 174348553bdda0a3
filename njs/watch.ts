/**
 * Called by js_periodic in EVERY worker, so that one that hangs or dies silences nothing: looks at each guard, and on a breach
 * moves the traffic back. Whoever is first does it, under the lock; the others find another generation.
 */
import fs from 'fs';
import { readTraffic } from './counters.ts';
import { breach, type Guard, movedBack, watches } from './guard.ts';
import { readGuard, writeGuard } from './guards.ts';
import { isWorker, locked } from './lock.ts';
import { readRoute, writeRoute } from './store.ts';
import type { Traffic } from './traffic.ts';

async function watch(): Promise<void> {
  const services = Object.keys(turnout_gateway.services);
  for (let i = 0; i < services.length; i++) {
    const service = services[i] as string;
    try {
      const guard = readGuard(service);
      if (guard && watches(guard, readRoute(service), Date.now())) await look(guard);
    } catch (error) {
      ngx.log(ngx.ERR, `the guard of ${service} failed: ${(error as Error).stack}`);
    }
  }
}

async function look(guard: Guard): Promise<void> {
  const traffic = await exclusively<Traffic>('traffic', () => readTraffic(guard.service));
  const found = traffic && breach(guard, traffic);
  if (!found) return;
  await exclusively(guard.service, () => {
    const present = readGuard(guard.service);
    const route = readRoute(guard.service);
    if (!present || !route || !watches(present, route, Date.now())) return;
    const at = new Date().toISOString();
    const next = movedBack(present, route, at);
    // Even in memory alone: a full disk must not keep traffic on a bad release.
    writeRoute(next, true);
    writeGuard(
      Object.assign({}, present, { fired: { reason: found.reason, message: found.message, at, generation: next.generation } }),
    );
    ngx.log(ngx.WARN, `guard of ${guard.service}: ${found.message}; all traffic back to ${guard.fallback}`);
  });
}

function exclusively<T>(name: string, critical: () => T): Promise<T | undefined> {
  const zone = ngx.shared.turnout_routes as NgxSharedDict<string>;
  const me = `${process.pid}.watch.${Math.random()}`;
  return locked(zone, name, me, (pid) => isWorker(fs, pid), critical);
}

export default watch;
