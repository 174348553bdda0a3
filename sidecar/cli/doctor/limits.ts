import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { type Finding, ok, warn } from './finding.ts';

/** `worker_connections` of nginx/nginx.conf, and some for logs, listeners and njs. */
const NEEDED_FILES = 16_384 + 64;

export function checkOpenFiles(limits = readFileSync('/proc/self/limits', 'latin1')): Finding {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? 'unlimited';
  if (hard === 'unlimited' || Number(hard) >= NEEDED_FILES)
    return ok('open-files', `hard limit ${hard}, ${NEEDED_FILES} are needed`);
  return warn(
    'open-files',
    `hard limit ${hard}, but an nginx worker may need ${NEEDED_FILES}: beyond that it refuses connections`,
    'raise it: `nofile` in /etc/security/limits.conf, LimitNOFILE= of a systemd unit, or `docker run --ulimit`',
  );
}

/** Outgoing connections take ports from a range of the kernel's: there a slot's port may be gone when it is needed. */
export function checkEphemeralPorts({ from, to }: Config['ports'], read = readSetting): Finding {
  const [low = 0, high = 0] = read('ip_local_port_range').trim().split(/\s+/).map(Number);
  const reserved = parseRanges(read('ip_local_reserved_ports'));
  const first = Math.max(from, low);
  const last = Math.min(to, high);
  const kept = reserved.some(([begin, end]) => begin <= first && last <= end);
  if (first > last || kept)
    return ok(
      'ephemeral-ports',
      `${low}-${high}${kept ? ` without ${first}-${last}` : ''}, not in the way of ports ${from}-${to}`,
    );
  return warn(
    'ephemeral-ports',
    `ports ${from}-${to} overlap the kernel's ephemeral range ${low}-${high}: an outgoing connection may hold a slot's port`,
    `give \`ports\` a range below ${low}, or reserve it: sysctl net.ipv4.ip_local_reserved_ports=${from}-${to}`,
  );
}

function parseRanges(text: string): [number, number][] {
  const parts = text.trim().split(',').filter(Boolean);
  return parts.map((part) => {
    const [begin = 0, end = begin] = part.split('-').map(Number);
    return [begin, end];
  });
}

function readSetting(name: string): string {
  try {
    return readFileSync(`/proc/sys/net/ipv4/${name}`, 'latin1');
  } catch {
    return '';
  }
}
