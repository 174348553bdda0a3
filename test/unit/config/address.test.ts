import { expect, test } from 'vitest';
import { formatAddress, hostsOverlap, parseAddress } from '../../../sidecar/config/address.ts';

test.each([
  ['8080', '127.0.0.1', 8080],
  ['0.0.0.0:80', '0.0.0.0', 80],
  ['[::1]:8080', '::1', 8080],
  ['[0:0:0:0:0:0:0:1]:1', '::1', 1],
])('%s is host %s and port %i', (text, host, port) => {
  expect(parseAddress(text)).toEqual({ host, port });
});

test.each([
  '',
  '0',
  '65536',
  'localhost:80',
  '256.1.1.1:80',
  '1.2.3:80',
  '::1:80',
  '[::1]',
  '[::g]:80',
  '127.0.0.1',
  '127.0.0.1:',
  ':80',
  '*:80',
  '127.0.0.1:80 ',
  '[1.2.3.4]:80',
  '1.2.3.4:80;',
])('%j is no address', (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test('an IPv6 address is written in brackets', () => {
  expect(formatAddress({ host: '::1', port: 80 })).toBe('[::1]:80');
  expect(formatAddress({ host: '127.0.0.1', port: 80 })).toBe('127.0.0.1:80');
});

test('a wildcard host overlaps the hosts that it takes in', () => {
  expect(hostsOverlap('0.0.0.0', '127.0.0.1')).toBe(true);
  expect(hostsOverlap('127.0.0.1', '::')).toBe(true);
  expect(hostsOverlap('::1', '0.0.0.0')).toBe(false);
  expect(hostsOverlap('127.0.0.1', '10.0.0.1')).toBe(false);
});
