/** Where guards are kept: one key for each service in the zone `turnout_routes`. In memory alone: so are the counters they judge. */
import type { Guard } from './guard.ts';

const zone = () => ngx.shared.turnout_routes as NgxSharedDict<string>;
const keyOf = (service: string) => `/guard/${service}`;

export function readGuard(service: string): Guard | null {
  const text = zone().get(keyOf(service));
  return text ? (JSON.parse(text) as Guard) : null;
}

export function writeGuard(guard: Guard): void {
  zone().set(keyOf(guard.service), JSON.stringify(guard));
}

export function forgetGuard(service: string): void {
  zone().delete(keyOf(service));
}
