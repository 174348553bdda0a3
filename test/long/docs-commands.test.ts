import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { shell, turnoutCommand } from '../support/pipeline.ts';
import { ROOT, Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** Commands that a page shows as code, in their order: lines of code blocks, and spans within sentences and tables. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(join(ROOT, 'docs', page), 'utf8');
  return text.split('\n').flatMap((line) => {
    const code = /^ {4}(\S.*)$/.exec(line);
    const found = code ? [code[1] as string] : [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
    return found.filter((one) => /^(turnout|curl) /.test(one));
  });
}

/** Those that end with something else than 0 where the page has brought the service, and why. */
const ENDS: Record<string, number[]> = {
  // With nothing under way.
  'turnout abort backend': [0, 2],
};

/** What the test itself has started already, and would not end. */
const RUNS_ALREADY = ['turnout up'];

test.each(['migration.md', 'troubleshooting.md'])(
  'every command of docs/%s works as it stands there',
  { timeout: 180_000 },
  async (page) => {
    turnout = await Turnout.start({ service: { smoke: [{ get: '/' }] } });
    await turnoutCommand(turnout.folder);
    const commands = (await commandsOf(page)).filter((one) => !RUNS_ALREADY.includes(one));
    const ended: [string, number][] = [];
    for (const command of commands) {
      const own = command
        .replaceAll(':8090', `:${turnout.apiPort}`)
        .replace(/^curl /, 'curl --silent --show-error --fail-with-body ');
      const { code, output } = await shell(own, { folder: turnout.folder, env: {} });
      expect(ENDS[command] ?? [0], `${command}\n${output}`).toContain(code);
      ended.push([command, code]);
    }
    console.log(`${page}: ${ended.length} commands`);
    expect(ended.length).toBeGreaterThan(10);
  },
);

test('everything that the old scripts did has its place', async () => {
  const text = await readFile(join(ROOT, 'docs/migration.md'), 'utf8');
  for (const word of [
    'Deploy',
    'Roll back',
    'Traffic control',
    'Monitor',
    'docker logs',
    'nginx -T',
    'nginx -s reload',
    'docker stats',
  ]) {
    expect(text).toContain(word);
  }
});
