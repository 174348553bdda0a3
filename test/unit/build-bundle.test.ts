import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureBundle, isFresh } from '../../build/bundle.js';
import { verbOf } from '../../build/prepare.js';

let root: string;
let said: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'turnout-bundle-'));
  said = [];
  put('package.json', '{ "version": "1.2.3", "type": "module" }');
  put(
    'sidecar/cli/main.ts',
    `if (process.argv[2] === 'up') await import('../api/server.ts');\nconsole.log('main', process.argv.slice(2).join());\n`,
  );
  put('sidecar/api/server.ts', `import old from './old.cjs';\nconsole.log('server', old.name);\nexport {};\n`);
  put('sidecar/api/old.cjs', `exports.name = require('node:path').basename(__filename).length > 0 ? 'old' : '';\n`);
  put(
    'njs/pick.ts',
    `import { decide } from './decide.ts';
import { takeOver } from './take-over.ts';
declare const TAKES_OVER: boolean;
function pick(hot: string): string {
  const route = TAKES_OVER ? takeOver() : hot || decide();
  return route ?? 'ä';
}
export default pick;
`,
  );
  put('njs/decide.ts', `import { name } from './route.ts';\nexport function decide() {\n  return name;\n}\n`);
  put('njs/take-over.ts', `export function takeOver() {\n  return 'the other color';\n}\n`);
  put('njs/route.ts', `export const name: string | undefined = undefined;\nexport const unused = () => 'not needed';\n`);
  for (const name of ['preview', 'watch']) put(`njs/${name}.ts`, 'export default () => 1;\n');
  put('njs/control.ts', `declare const TURNOUT_VERSION: string;\nexport default { version: () => TURNOUT_VERSION };\n`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const ensure = () => ensureBundle({ root, log: (line) => said.push(line) });
const read = (path: string) => readFileSync(join(root, 'dist', path), 'utf8');
const runs = (...args: string[]) =>
  execFileSync(process.execPath, [join(root, 'dist/turnout.js'), ...args], { encoding: 'utf8' });

test('the command loads what a verb imports for that verb alone, CommonJS included', async () => {
  await ensure();
  expect(runs('up')).toBe('server old\nmain up\n');
  for (const name of readdirSync(join(root, 'dist/chunks'))) rmSync(join(root, 'dist/chunks', name));
  expect(runs('status')).toBe('main status\n');
  expect(existsSync(join(root, 'dist/turnout.js.map'))).toBe(true);
});

test('the njs bundles have one default export, what the classic engine understands, readable names and the version', async () => {
  await ensure();
  expect(read('njs/pick.js')).toMatch(/export \{\s+pick_default as default\s+\};|export \{\s+pick as default\s+\};/);
  expect(read('njs/pick.js')).not.toContain('??');
  expect(read('njs/pick.js')).not.toContain('not needed');
  expect(read('njs/pick.js')).toContain('ä');
  expect(read('njs/control.js')).toContain('"1.2.3"');
});

test('a request makes one function of the njs module anew, and no let and const is looked at', async () => {
  await ensure();
  expect(read('njs/pick.js').match(/^(async )?function |^(var|let|const) .*(function|=>)/gm)).toHaveLength(1);
  expect(read('njs/pick.js')).not.toMatch(/\b(let|const) /);
  expect(read('njs/pick.js')).toContain('function decide(');
});

test('what takes a request over is built from the same source', async () => {
  await ensure();
  expect(read('njs/failover.js')).toContain('the other color');
  expect(read('njs/failover.js')).not.toContain('function decide(');
  expect(read('njs/pick.js')).not.toContain('the other color');
});

test('a second start builds nothing and says nothing', async () => {
  await ensure();
  said = [];
  const stamp = read('.stamp');
  utimesSync(join(root, 'njs/pick.ts'), 1, 1);
  await ensure();
  expect(said).toEqual([]);
  expect(read('.stamp')).toBe(stamp);
});

test.each(['sidecar/cli/main.ts', 'njs/route.ts', 'nginx/nginx.conf', 'package-lock.json', 'package.json'])(
  'an edit of %s is built',
  async (path) => {
    await ensure();
    put(
      path,
      path.endsWith('.json') ? '{ "version": "1.2.4", "type": "module" }' : '// edited\nexport const name = undefined;\n',
    );
    expect(isFresh(root)).toBe(false);
    await ensure();
    expect(isFresh(root)).toBe(true);
    expect(said).toHaveLength(2);
  },
);

test('a source that was removed or renamed is noticed', async () => {
  put('sidecar/extra.ts', '');
  await ensure();
  rmSync(join(root, 'sidecar/extra.ts'));
  expect(isFresh(root)).toBe(false);
});

test('a build that fails names the place, leaves the earlier one as it was, and is never fresh', async () => {
  await ensure();
  const before = read('turnout.js');
  put('njs/pick.ts', 'export default function {\n');
  await expect(ensure()).rejects.toThrow(/njs\/pick\.ts:1:/);
  expect(read('turnout.js')).toBe(before);
  expect(isFresh(root)).toBe(false);
  expect(readdirSync(join(root, '.cache'))).toEqual([]);
});

test('a build that was cut short while it was put in place is never fresh', async () => {
  await ensure();
  rmSync(join(root, 'dist/.stamp'));
  expect(isFresh(root)).toBe(false);
});

test('a sidecar that runs can still import the chunks of its own build', async () => {
  await ensure();
  const chunks = readdirSync(join(root, 'dist/chunks'));
  put('sidecar/api/server.ts', `console.log('newer');\nexport {};\n`);
  await ensure();
  expect(runs('up')).toBe('newer\nmain up\n');
  expect(readdirSync(join(root, 'dist/chunks'))).toEqual(expect.arrayContaining(chunks));
});

test('chunks of builds long ago are removed', async () => {
  put('dist/chunks/server-OLD.js', '');
  utimesSync(join(root, 'dist/chunks/server-OLD.js'), 1, 1);
  await ensure();
  expect(existsSync(join(root, 'dist/chunks/server-OLD.js'))).toBe(false);
});

test('starts that race build once', async () => {
  await Promise.all([ensure(), ensure(), ensure()]);
  expect(said).toEqual(['building the bundles']);
});

test('a dist that is shipped without its sources is taken as it is', async () => {
  await ensure();
  rmSync(join(root, 'sidecar'), { recursive: true });
  rmSync(join(root, 'dist/.stamp'));
  said = [];
  await ensure();
  expect(said).toEqual([]);
});

test('the verb is found before and after the config file', () => {
  expect(verbOf(['up'])).toBe('up');
  expect(verbOf(['-f', 'up.yaml', 'up'])).toBe('up');
  expect(verbOf(['--file=x', 'status', '-w'])).toBe('status');
  expect(verbOf(['up', '--help'])).toBe('');
  expect(verbOf([])).toBe('');
});
