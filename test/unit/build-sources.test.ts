import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { debianMirrors, parseDeb822, parseOneLine, sourceText } from '../../build/apt-sources.js';

describe('a one-line list', () => {
  test('gives the URI, the suite and the components of each deb line', () => {
    expect(parseOneLine('deb http://mirror.example/debian bookworm main contrib\n')).toEqual([
      {
        uri: 'http://mirror.example/debian',
        suite: 'bookworm',
        components: ['main', 'contrib'],
        architectures: [],
        signedBy: '',
        trusted: false,
      },
    ]);
  });

  test('gives the options in brackets', () => {
    const [source] = parseOneLine(
      'deb [ arch=amd64,arm64 signed-by=/keys/a.gpg trusted=yes ] http://mirror.example/debian trixie main',
    );
    expect(source).toMatchObject({ architectures: ['amd64', 'arm64'], signedBy: '/keys/a.gpg', trusted: true, suite: 'trixie' });
  });

  test('leaves out comments, source packages and blank lines', () => {
    const text =
      '# deb http://no.example/debian sid main\n\ndeb-src http://no.example/debian sid main\n' +
      '  deb http://yes.example/debian sid main # why not\n';
    expect(parseOneLine(text)).toMatchObject([{ uri: 'http://yes.example/debian', components: ['main'] }]);
  });
});

describe('a deb822 file', () => {
  test('gives every URI with every suite of a block, whatever the case of the fields', () => {
    const text =
      'types: deb deb-src\nURIs: http://a.example/debian\n http://b.example/debian\n' +
      'Suites: trixie trixie-updates\nComponents: main\n';
    expect(parseDeb822(text).map(({ uri, suite }) => [uri, suite])).toEqual([
      ['http://a.example/debian', 'trixie'],
      ['http://a.example/debian', 'trixie-updates'],
      ['http://b.example/debian', 'trixie'],
      ['http://b.example/debian', 'trixie-updates'],
    ]);
  });

  test('leaves out comments between fields, disabled blocks and source packages', () => {
    const text = [
      'Types: deb\n# http://old.example/debian\nURIs:\n# not this one\n http://a.example/debian\n' +
        'Suites: bookworm\nComponents: main\nSigned-By: /keys/a.gpg\n',
      'Enabled: no\nTypes: deb\nURIs: http://b.example/debian\nSuites: bookworm\nComponents: main\n',
      'Types: deb-src\nURIs: http://c.example/debian\nSuites: bookworm\nComponents: main\n',
    ].join('\n');
    expect(parseDeb822(text)).toMatchObject([{ uri: 'http://a.example/debian', signedBy: '/keys/a.gpg' }]);
  });

  test('carries a key that is written out over into the new source', () => {
    const key = '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n -----END PGP PUBLIC KEY BLOCK-----';
    const sources = parseDeb822(
      `Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\nSigned-By:${key}\n`,
    );
    expect(sources.map((source) => sourceText(source, 'forky', 'arm64')).join()).toContain(`Signed-By:${key}\n`);
  });
});

describe('the Debian archive of a machine', () => {
  let etc: string;
  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), 'turnout-etc-'));
    mkdirSync(join(etc, 'sources.list.d'));
  });
  afterEach(() => rmSync(etc, { recursive: true, force: true }));

  test('is the first that offers main for a base suite, not security, updates or backports', () => {
    writeFileSync(
      join(etc, 'sources.list'),
      [
        'deb http://security.example/debian-security bookworm-security main',
        'deb http://backports.example/debian bookworm-backports main',
        'deb http://extra.example/debian bookworm contrib',
        'deb http://first.example/debian bookworm main',
        'deb http://second.example/debian bookworm main',
      ].join('\n'),
    );
    expect(debianMirrors('amd64', etc).map(({ uri }) => uri)).toEqual([
      'http://first.example/debian',
      'http://second.example/debian',
    ]);
  });

  test('is found in sources.list.d, in both forms, and before a foreign archive that borrows a suite name', () => {
    writeFileSync(join(etc, 'sources.list.d/a-browser.list'), 'deb [arch=amd64] https://browser.example/deb/ stable main\n');
    writeFileSync(
      join(etc, 'sources.list.d/debian.sources'),
      'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n',
    );
    writeFileSync(join(etc, 'sources.list.d/off.list.disabled'), 'deb http://off.example/debian trixie main\n');
    expect(debianMirrors('amd64', etc).map(({ uri }) => uri)).toEqual([
      'mirror+file:///etc/apt/mirrors/debian.list',
      'https://browser.example/deb/',
    ]);
  });

  test('is one for this architecture', () => {
    writeFileSync(
      join(etc, 'sources.list'),
      'deb [arch=amd64] http://a.example/debian sid main\ndeb [arch=arm64,riscv64] http://b.example/debian sid main\n',
    );
    expect(debianMirrors('arm64', etc).map(({ uri }) => uri)).toEqual(['http://b.example/debian']);
  });

  test('is none on a machine without sources', () => {
    expect(debianMirrors('amd64', join(etc, 'absent'))).toEqual([]);
  });
});

test("a source without a key of its own is checked against the archive keyring or apt's own trust, never without", () => {
  const text = sourceText(
    { uri: 'http://a.example/debian', suite: 'sid', components: ['main'], architectures: [], signedBy: '', trusted: false },
    'forky',
    'amd64',
  );
  expect(text).toContain('Suites: forky\n');
  expect(text).not.toContain('Trusted');
});
