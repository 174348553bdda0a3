import { isIPv4 } from 'node:net';
import type { Subnet } from './config.ts';

/** `172.31.240.0/22`; undefined for what is none, has bits behind the prefix, or is larger or smaller than slots can use. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const bits = Number(length);
  if (rest.length > 0 || !isIPv4(address) || !/^\d{2}$/.test(length) || bits < 16 || bits > 28) return undefined;
  const subnet = { address, bits };
  return toNumber(address) % sizeOf(subnet) === 0 ? subnet : undefined;
}

export function formatSubnet({ address, bits }: Subnet): string {
  return `${address}/${bits}`;
}

/** How many addresses, the network's own and the broadcast included. */
export function sizeOf({ bits }: Subnet): number {
  return 2 ** (32 - bits);
}

/** The address so many steps from the start of the subnet. */
export function addressAt({ address }: Subnet, offset: number): string {
  const number = toNumber(address) + offset;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** Is an IPv4 address one of the subnet's? */
export function contains(subnet: Subnet, address: string): boolean {
  const offset = toNumber(address) - toNumber(subnet.address);
  return offset >= 0 && offset < sizeOf(subnet);
}

/** The part that Docker may hand out by itself: the first quarter. Slots get theirs behind it, so that the two never meet. */
export function automaticPart(subnet: Subnet): Subnet {
  return { address: subnet.address, bits: subnet.bits + 2 };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
