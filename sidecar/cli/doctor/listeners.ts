import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostsOverlap } from '../../config/address.ts';
import type { Address } from '../../config/config.ts';
import { livingProcesses } from '../../process-identity.ts';

/** A TCP socket that somebody listens on. */
export interface Listener extends Address {
  inode: string;
  uid: number;
}

/** In /proc/net/tcp. */
const LISTEN = '0A';

/** Everything that listens in this network namespace, whoever owns it. */
export function listeners(): Listener[] {
  return ['tcp', 'tcp6'].flatMap((name) => {
    try {
      return parseListeners(readFileSync(`/proc/net/${name}`, 'latin1'));
    } catch {
      // No IPv6 in this kernel.
      return [];
    }
  });
}

/** The lines of /proc/net/tcp or tcp6. */
export function parseListeners(text: string): Listener[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTEN)
    .map((fields) => {
      const [host = '', port = ''] = (fields[1] ?? '').split(':');
      return { host: parseHost(host), port: Number.parseInt(port, 16), uid: Number(fields[7]), inode: fields[9] ?? '' };
    });
}

/** The kernel prints each four bytes as one number of the machine's own byte order, which is little-endian. */
function parseHost(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  // An IPv4 address on an IPv6 socket.
  if (words.slice(0, 6).join(':') === '0:0:0:0:0:ffff') return bytes.subarray(12).join('.');
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
}

/** Those that stand in the way of listening on that address. */
export function inTheWay(address: Address, all: Listener[]): Listener[] {
  return all.filter((one) => one.port === address.port && hostsOverlap(one.host, address.host));
}

/** The processes that have these sockets open, as far as this user may see them. */
export function holders(found: Listener[]): number[] {
  if (found.length === 0) return [];
  const links = new Set(found.map(({ inode }) => `socket:[${inode}]`));
  return livingProcesses((pid) => filesOf(pid).some((link) => links.has(link)));
}

function filesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}

/** `nginx (pid 12, user www-data)`. Not its arguments: they may hold passwords. */
export function describeProcess(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [name, uid] = [/^Name:\t(.*)/m, /^Uid:\t(\d+)/m].map((field) => field.exec(status)?.[1] ?? '?');
    return `${programOf(pid) ?? name} (pid ${pid}, user ${userName(Number(uid))})`;
  } catch {
    return `process ${pid}`;
  }
}

/** Threads rename their process: Node's says `MainThread`, its program says node. */
function programOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).split('/').at(-1) ?? null;
  } catch {
    return null;
  }
}

export function userName(uid: number): string {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines.find((line) => line.split(':')[2] === String(uid))?.split(':')[0] ?? String(uid);
  } catch {
    return String(uid);
  }
}
