import { spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';

import { temporaryFolder } from '../../support/processes.ts';
import { Bench, LIVE, receiver } from './bench.ts';
import type { Received } from './receiver.ts';

const SECRET = 'a key';

async function snippet(language: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../../docs/hooks.md'), 'utf8');
  const found = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(text);
  return found?.[1] ?? '';
}

/** A delivery as it came, and what somebody might make of it, each with whether it is to be believed. */
async function samples(): Promise<{ headers: Received['headers']; body: string; genuine: boolean }[]> {
  const target = await receiver();
  const { webhooks } = new Bench([{ url: target.origin, secret: SECRET }]);
  webhooks.publish({ ...LIVE, message: 'grüße' });
  const [post] = await target.count(1);
  const { headers, body } = post!;
  const { 'x-turnout-signature': _, ...unsigned } = headers;
  return [
    { headers, body, genuine: true },
    { headers, body: body.replace('v2', 'v3'), genuine: false },
    { headers: { ...headers, 'x-turnout-timestamp': '1700000000' }, body, genuine: false },
    { headers: unsigned, body, genuine: false },
  ];
}

describe('docs/hooks.md', () => {
  test('the lines for node tell a genuine delivery from others', async () => {
    const folder = await temporaryFolder();
    try {
      await writeFile(join(folder, 'verify.mjs'), await snippet('js'));
      const { isFromTurnout } = await import(pathToFileURL(join(folder, 'verify.mjs')).href);
      for (const { headers, body, genuine } of await samples()) expect(isFromTurnout(headers, body, SECRET)).toBe(genuine);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.skipIf(spawnSync('python3', ['-V']).status !== 0)('the lines for python do so too', async () => {
    const given = await samples();
    const code = `${await snippet('python')}
import json, sys
samples, secret = json.load(sys.stdin)
print(json.dumps([is_from_turnout(one["headers"], one["body"].encode(), secret) for one in samples]))`;
    const { stdout, stderr } = spawnSync('python3', ['-c', code], { input: JSON.stringify([given, SECRET]), encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(given.map(({ genuine }) => genuine));
  });
});
