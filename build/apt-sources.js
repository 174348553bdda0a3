import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One place packages come from: one URI with one suite.
 * @typedef {import('./apt-sources.d.ts').Source} Source
 */

/** The base suites of a Debian archive: neither -security, -updates nor -backports, which live beside or on top of them. */
const SUITES = words(`
  buster bullseye bookworm trixie forky duke sid
  oldoldstable oldstable stable testing unstable
`);

/** The archive's own key, as Debian installs it; the second name since Debian 13. */
const KEYRINGS = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

/**
 * Where this machine gets Debian from, the likeliest first. Other people's archives use Debian's suite names too
 * (`stable main`), so what looks like Debian's own goes before the rest.
 *
 * @param {string} architecture Debian's name for it, e.g. amd64
 * @param {string} [etc] apt's configuration folder
 * @returns {Source[]}
 */
export function debianMirrors(architecture, etc = '/etc/apt') {
  const sources = readSources(etc).filter(
    ({ uri, suite, components, architectures }) =>
      SUITES.includes(suite) &&
      components.includes('main') &&
      !uri.startsWith('cdrom:') &&
      (architectures.length === 0 || architectures.includes(architecture)),
  );
  const looksLikeDebian = ({ uri, signedBy }) => /\/debian(\.list)?\/?$/.test(uri) || signedBy.includes('debian-archive-keyring');
  const ordered = [...sources.filter(looksLikeDebian), ...sources.filter((source) => !looksLikeDebian(source))];
  return ordered.filter(({ uri }, i) => ordered.findIndex((other) => other.uri === uri) === i);
}

/** @returns {Source[]} everything in sources.list and sources.list.d, in apt's own order */
export function readSources(etc) {
  const folder = join(etc, 'sources.list.d');
  const parts = existsSync(folder) ? readdirSync(folder).sort() : [];
  const paths = [join(etc, 'sources.list'), ...parts.map((name) => join(folder, name))];
  return paths.filter(existsSync).flatMap((path) => {
    if (path.endsWith('.sources')) return parseDeb822(readFileSync(path, 'utf8'));
    return path.endsWith('.list') ? parseOneLine(readFileSync(path, 'utf8')) : [];
  });
}

/** The classic form: `deb [arch=amd64 signed-by=/key.gpg] URI suite component...` */
export function parseOneLine(text) {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line.replace(/#.*/, ''));
    if (!match) return [];
    const [, bracket = '', uri, suite, components] = match;
    const options = new Map(words(bracket).map((word) => word.split('=', 2)));
    const option = (name) => options.get(name) ?? '';
    return {
      uri,
      suite,
      components: words(components),
      architectures: option('arch').split(',').filter(Boolean),
      signedBy: option('signed-by').replaceAll(',', ' '),
      trusted: isYes(option('trusted')),
    };
  });
}

/** The newer form: blocks of `Field: value`, each of which may name several URIs and suites. */
export function parseDeb822(text) {
  return text.split(/\n\s*\n/).flatMap((block) => {
    const fields = fieldsOf(block);
    const field = (name) => fields.get(name) ?? '';
    if (!words(field('types')).includes('deb') || /^(no|false|0|off|disable|without)$/i.test(field('enabled'))) return [];
    return words(field('uris')).flatMap((uri) =>
      words(field('suites')).map((suite) => ({
        uri,
        suite,
        components: words(field('components')),
        architectures: words(field('architectures')),
        signedBy: field('signed-by'),
        trusted: isYes(field('trusted')),
      })),
    );
  });
}

/** The deb822 text for one source with another suite; a key that is written out in the original is carried over whole. */
export function sourceText({ uri, signedBy, trusted }, suite, architecture) {
  const key = signedBy || KEYRINGS.find(existsSync);
  return [
    'Types: deb',
    `URIs: ${uri}`,
    `Suites: ${suite}`,
    'Components: main',
    `Architectures: ${architecture}`,
    // Nothing but the package list: no translations, icons or file lists, whatever the machine is set up for.
    'Targets: Packages',
    ...(key ? [`Signed-By:${key.startsWith('\n') ? '' : ' '}${key}`] : []),
    ...(trusted ? ['Trusted: yes'] : []),
    '',
  ].join('\n');
}

/**
 * A comment may stand between two lines of a value. Continuation lines keep their indent: apt wants it back in a key that is
 * written out.
 */
function fieldsOf(block) {
  const fields = new Map();
  let last = '';
  for (const line of block.split('\n')) {
    const match = /^([\w-]+):\s*(.*)$/.exec(line);
    if (match) {
      last = match[1].toLowerCase();
      fields.set(last, match[2].trim());
    } else if (last && /^\s+\S/.test(line)) {
      fields.set(last, `${fields.get(last)}\n${line.trimEnd()}`);
    }
  }
  return fields;
}

function words(text) {
  return text.split(/\s+/).filter(Boolean);
}

function isYes(text) {
  return /^(yes|true|1|on|enable|with)$/i.test(text);
}
