import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkClock } from '../../../sidecar/cli/doctor/clock.ts';
import { judgeRoom, parseMount } from '../../../sidecar/cli/doctor/disk.ts';
import { writeNameless } from '../../../sidecar/cli/doctor/files.ts';
import { checkEphemeralPorts, checkOpenFiles } from '../../../sidecar/cli/doctor/limits.ts';
import { holders, inTheWay, listeners, parseListeners } from '../../../sidecar/cli/doctor/listeners.ts';
import { temporaryFolder } from '../../support/processes.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const rest = '00000000:00000000 00:00000000 00000000';

describe('listeners', () => {
  test('addresses are read from the kernel in its own byte order; only listening sockets count', () => {
    const text = [
      HEAD,
      `   0: 0100007F:1F90 00000000:0000 0A ${rest}  1000        0 4711 1`,
      `   1: 0100007F:1F91 0100007F:D431 01 ${rest}     0        0 4712 1`,
      `   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A ${rest}     0        0 4713 1`,
      `   3: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A ${rest}     0        0 4714 1`,
      `   4: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A ${rest}     0        0 4715 1`,
      '',
    ].join('\n');
    expect(parseListeners(text)).toEqual([
      { host: '127.0.0.1', port: 8080, uid: 1000, inode: '4711' },
      { host: '::', port: 80, uid: 0, inode: '4713' },
      { host: '::1', port: 8082, uid: 0, inode: '4714' },
      { host: '127.0.0.1', port: 8083, uid: 0, inode: '4715' },
    ]);
  });

  test('whoever listens on every address is in the way of one, and the process that does is found', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    const { port } = server.address() as { port: number };
    try {
      const found = inTheWay({ host: '127.0.0.1', port }, listeners());
      expect(found).toMatchObject([{ host: '0.0.0.0', port, uid: process.getuid?.() }]);
      expect(holders(found)).toEqual([process.pid]);
      expect(inTheWay({ host: '::1', port }, listeners())).toEqual([]);
    } finally {
      server.close();
    }
  });
});

describe('disk', () => {
  const room = (free: number, inodes: number) => ({ free, inodes: { free: inodes, all: 1000 } });

  test.each([
    ['room for all', room(100_000_000, 50), null, 'ok'],
    ['less than 100 MB', room(99_999_999, 500), null, 'warn'],
    ['less than 5 % of the inodes', room(1e12, 49), null, 'warn'],
    ['no inode', room(1e12, 0), null, 'fail'],
    ['no byte', room(0, 500), null, 'fail'],
    ['a disk that takes no file', room(1e12, 500), 'EROFS', 'fail'],
    ['a file system that does not count inodes', { free: 1e12, inodes: null }, null, 'ok'],
  ] as const)('%s', (_, given, error, result) => {
    const finding = judgeRoom(given, 'ext4, mounted at /', error);
    expect(finding.result).toBe(result);
    expect(finding.found).toContain('ext4, mounted at /');
    if (error) expect(finding.found).toContain(error);
  });

  test('the file system is that of the deepest mount point above the folder, the last one mounted there', () => {
    const text = [
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
      '30 27 0:25 / /srv rw - xfs /dev/vdb rw',
      '31 27 0:26 / /srv rw shared:1 - tmpfs none rw',
      '32 27 0:27 / /srv/a\\040b rw - nfs4 host:/x rw',
    ].join('\n');
    expect(parseMount(text, '/srv/app')).toBe('tmpfs, mounted at /srv');
    expect(parseMount(text, '/srv/a b/c')).toBe('nfs4, mounted at /srv/a b');
    expect(parseMount(text, '/srvother')).toBe('ext4, mounted at /');
  });
});

describe('clock', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const entry = (ms: number) => `${JSON.stringify({ v: 1, seq: 1, at: new Date(ms).toISOString() })}\n`;

  test('a journal that ends in the past is well, whatever is torn behind it', () => {
    writeFileSync(join(folder, 'journal.jsonl'), entry(Date.now() - 60_000));
    appendFileSync(join(folder, 'journal.jsonl'), '{"v":1,"at":"2999');
    expect(checkClock(folder)).toMatchObject({ result: 'ok', found: expect.stringContaining('60 s in the past') });
  });

  test('a journal of the future and a clock that files disagree with are warnings', () => {
    writeFileSync(join(folder, 'journal.jsonl'), entry(Date.now()));
    const { result, found, remedy } = checkClock(folder, () => Date.now() - 3_600_000);
    expect(result).toBe('warn');
    expect(found).toContain('a file that is written now is 3600 s in the future');
    expect(found).toContain('the newest line of the journal');
    expect(remedy).toContain('timedatectl');
  });

  test('no journal, no folder, no state known: nothing to complain of', () => {
    for (const state of [folder, join(folder, 'absent'), null]) expect(checkClock(state).result).toBe('ok');
  });

  test('the fresh file has no name, so the folder stays as it was', () => {
    expect(writeNameless(join(folder, 'absent'))).toEqual({ error: 'ENOENT' });
    expect(Object.keys(writeNameless(folder))).toEqual(['mtimeMs']);
  });
});

describe('limits', () => {
  test.each([
    ['Max open files            1024                 4096                 files', 'warn'],
    ['Max open files            1024                 20000                files', 'ok'],
    ['Max open files            1024                 unlimited            files', 'ok'],
  ])('%s', (line, result) => {
    expect(checkOpenFiles(`Limit Soft Hard Units\n${line}\n`).result).toBe(result);
  });

  test.each([
    [20_000, 20_999, '', 'ok'],
    [32_000, 32_768, '', 'warn'],
    [32_000, 33_000, '32768-33000', 'ok'],
    [40_000, 40_010, '40000-40005', 'warn'],
    [60_999, 61_100, '', 'warn'],
    [61_000, 61_100, '', 'ok'],
  ])('ports %i-%i with the reserved ones "%s": %s', (from, to, reserved, result) => {
    const read = (name: string) => (name === 'ip_local_port_range' ? '32768\t60999\n' : `${reserved}\n`);
    expect(checkEphemeralPorts({ from, to }, read).result).toBe(result);
  });
});
