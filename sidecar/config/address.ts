import { isIPv4, isIPv6 } from 'node:net';
import type { Address } from './config.ts';

export const EXPECTED_ADDRESS =
  'a port such as 8080 (on 127.0.0.1) or an IP address and a port such as "0.0.0.0:8080" or "[::1]:8080", ports 1 to 65535';

/** `8080` (on 127.0.0.1), `127.0.0.1:8080` or `[::1]:8080`. Names are refused: what they resolve to may change. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:(?:(\d[\d.]*)|\[([\da-fA-F:.]+)\]):)?(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, v4, v6] = match;
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return undefined;
  if (v4 !== undefined) return isIPv4(v4) ? { host: v4, port } : undefined;
  if (v6 !== undefined) return isIPv6(v6) ? { host: shortest(v6), port } : undefined;
  return { host: '127.0.0.1', port };
}

/** As nginx and URLs write it: an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether two listeners on the same port would get in each other's way. `::` may take IPv4 too, so it meets every host. */
export function hostsOverlap(a: string, b: string): boolean {
  if (a === b || a === '::' || b === '::') return true;
  const anyV4 = (host: string) => host === '0.0.0.0';
  return (anyV4(a) && isIPv4(b)) || (anyV4(b) && isIPv4(a));
}

/** One spelling for each IPv6 address, so that equal ones compare equal. */
function shortest(v6: string): string {
  return new URL(`http://[${v6}]`).hostname.slice(1, -1);
}
