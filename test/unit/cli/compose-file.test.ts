import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareWithCompose } from '../../../sidecar/cli/compose-file.ts';
import { loadConfig } from '../../../sidecar/config/load.ts';
import { folderWith } from '../config/temp.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** The project's own two files, side by side in another place, with these changes. */
async function compare(change: (compose: string) => string, env: NodeJS.ProcessEnv = {}): Promise<string | null> {
  const compose = change(await readFile(join(ROOT, 'compose.yaml'), 'utf8'));
  const config = await readFile(join(ROOT, 'examples/compose/turnout.yaml'), 'utf8');
  const folder = await folderWith({ 'compose.yaml': compose, 'some/where/turnout.yaml': config });
  const found = await compareWithCompose(await loadConfig(join(folder, 'some/where/turnout.yaml'), {}), env);
  return found?.replace(folder, '') ?? null;
}

test('the two files of the project give the network the same addresses', async () => {
  const config = await loadConfig(join(ROOT, 'examples/compose/turnout.yaml'), {});
  expect(await compareWithCompose(config, {})).toBe(join(ROOT, 'compose.yaml'));
});

test('the nearest compose.yaml above that names the network is the one', async () => {
  expect(await compare((text) => text)).toBe('/compose.yaml');
});

test('one about another network is none', async () => {
  expect(await compare((text) => text.replace(/^ {2}turnout:\n {4}name: turnout/m, '  other:\n    name: other'))).toBeNull();
});

test('variables of compose are filled in', async () => {
  const change = (text: string) => text.replace('subnet: 172.31.240.0/22', 'subnet: "${NET:-172.31.240.0/22}"');
  expect(await compare(change)).toBe('/compose.yaml');
  await expect(compare(change, { NET: '10.0.0.0/22' })).rejects.toThrow(/found the subnet 10\.0\.0\.0\/22/);
});

test.each([
  [
    'subnet: 172.31.240.0/22',
    'subnet: 172.31.244.0/22',
    'found the subnet 172.31.244.0/22, expected 172.31.240.0/22, as docker.subnet in ',
  ],
  ['subnet: 172.31.240.0/22, ', '', 'found no subnet for the network turnout, expected 172.31.240.0/22'],
  [
    'ip_range: 172.31.240.0/24',
    'ip_range: 172.31.240.0/23',
    'found the ip_range 172.31.240.0/23, expected one within 172.31.240.0/24',
  ],
  [', ip_range: 172.31.240.0/24', '', 'found no ip_range, expected one within 172.31.240.0/24'],
  ['gateway: 172.31.240.1', 'gateway: 172.31.243.1', 'found the gateway 172.31.243.1, expected one within 172.31.240.0/24'],
  [
    '    name: turnout\n',
    '',
    'found a network without a name, which compose puts the name of the project before, expected name: turnout',
  ],
])('%s as %j is told with its place', async (from, to, sentence) => {
  const refused = compare((text) => text.replace(from, to));
  await expect(refused).rejects.toMatchObject({ code: 'config-invalid' });
  await expect(refused).rejects.toThrow(
    new RegExp(`compose\\.yaml:\\d+:\\d+: ${sentence.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`),
  );
});
