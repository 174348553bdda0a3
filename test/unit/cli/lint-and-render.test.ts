import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../support/processes.ts';
import { Turnout } from '../../support/turnout.ts';

const SECRET = 'correct-horse-battery-staple';

let turnout: Turnout;
/** TMPDIR of the two verbs: nothing may be left in it. */
let temp: string;

beforeEach(async () => {
  temp = await temporaryFolder();
});

afterEach(async () => {
  await turnout?.destroy();
  expect(readdirSync(temp)).toEqual([]);
  rmdirSync(temp);
});

function tree(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .sort()
    .map((path) => `${path} ${lstatSync(join(folder, path)).mtimeMs}`);
}

test('lint takes a valid file, asks nginx, and makes no state folder', async () => {
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  const { code, stdout, stderr } = await turnout.cli('lint');
  expect(code, stderr).toBe(0);
  expect(stdout).toBe(`${turnout.file} is valid: 1 service\n`);
  expect(existsSync(turnout.state)).toBe(false);
  const json = await turnout.cli('lint', '--json');
  expect(JSON.parse(json.stdout)).toEqual({
    file: turnout.file,
    valid: true,
    services: ['backend'],
    compose: null,
    nginx: 'accepted',
  });
});

test('lint leaves the addresses that others use alone: somebody on gateway.listen does not matter', async () => {
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  const stranger = createServer().listen(turnout.gatewayPort, '127.0.0.1');
  try {
    expect((await turnout.cli('lint')).code).toBe(0);
  } finally {
    stranger.close();
  }
});

test('lint tells every problem of the file at once, exit 3', async () => {
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  await writeFile(turnout.file, 'services:\n  backend:\n    comand: [node]\n    keep: 10 parsecs\n    health: /\n');
  const { code, stdout, stderr } = await turnout.cli('lint');
  expect(code).toBe(3);
  expect(stdout).toBe('');
  expect(stderr).toContain('turnout.yaml:3:5: unknown key "comand"');
  expect(stderr).toContain('turnout.yaml:4:11: found "10 parsecs"');
});

test('what only nginx refuses is exit 3 with its own words, and no path of the temp folder', async () => {
  // Longer than a bucket of nginx' hash of server names.
  turnout = await Turnout.create({
    service: { route: { host: `${'a'.repeat(60)}.${'b'.repeat(60)}.example.org` } },
    env: { TMPDIR: temp },
  });
  const { code, stdout, stderr } = await turnout.cli('lint');
  expect(code, stdout).toBe(3);
  expect(stderr).toContain('server_names_hash');
  expect(stderr).not.toContain(temp);
});

test('without nginx lint says that its check was left out, and still refuses what is wrong', async () => {
  turnout = await Turnout.create({
    env: { TMPDIR: temp, TURNOUT_NGINX: '/nonexistent/nginx', TURNOUT_NGINX_COMMAND: '["/inherited"]', TURNOUT_NGINX_MODULE: '' },
  });
  const { code, stdout } = await turnout.cli('lint');
  expect(code).toBe(0);
  expect(stdout).toContain(`${turnout.file} is valid: 1 service\n`);
  expect(stdout).toMatch(/nginx -t\) was left out/);
  expect(JSON.parse((await turnout.cli('lint', '--json')).stdout).nginx).toBe('not-checked');
  await writeFile(turnout.file, 'services: {}\n');
  expect((await turnout.cli('lint')).code).toBe(3);
});

test('a service whose socket path would not fit is refused by lint, with the length', async () => {
  const name = 'a'.repeat(40);
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  // The control socket fits, which is all that the loader looks at; the preview socket does not.
  const pad = 107 - `${turnout.folder}/`.length - '/gateway/control.sock'.length;
  const yaml = readFileSync(turnout.file, 'utf8').replace('  backend:', `  ${name}:`);
  await writeFile(turnout.file, `state: ${'s'.repeat(pad)}\n${yaml}`);
  const { code, stderr } = await turnout.cli('lint');
  expect(code).toBe(3);
  expect(stderr).toContain(`preview-${name}.sock`);
  expect(stderr).toContain('expected at most 107');
});

test('render shows every file under its name, with no value of env, and writes nothing', async () => {
  turnout = await Turnout.create({
    service: { env: { KEY: '${RENDER_SECRET}', PLAIN: SECRET } },
    env: { TMPDIR: temp, RENDER_SECRET: `${SECRET}-2` },
  });
  const before = tree(turnout.folder);
  const { code, stdout } = await turnout.cli('render');
  expect(code).toBe(0);
  expect(stdout.match(/^# === .*/gm)).toEqual(
    ['machine.conf', 'upstreams.conf', 'servers.conf', 'gateway.json'].map((name) => `# === rendered/${name}`),
  );
  expect(stdout).toContain(`listen 127.0.0.1:${turnout.gatewayPort} default_server;`);
  expect(stdout).toContain(`unix:${turnout.state}/gateway/control.sock`);
  expect(stdout).not.toContain(SECRET);
  const json = await turnout.cli('render', '--json');
  const files = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { file: string; text: string });
  expect(stdout).toBe(files.map(({ file, text }) => `# === ${file}\n${text}\n`).join(''));
  expect(tree(turnout.folder)).toEqual(before);
});

test('render shows the addresses that slots have, and gives provisional ones to new slots only', async () => {
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  const from = /ports: (\d+)-/.exec(readFileSync(turnout.file, 'utf8'))?.[1];
  mkdirSync(turnout.state);
  const file = join(turnout.state, 'slots.json');
  const text = JSON.stringify({ backend: { blue: { 1: Number(from) + 9 }, green: {} } });
  writeFileSync(file, text);
  const { stdout } = await turnout.cli('render');
  const ports = (upstream: string) => new RegExp(`upstream ${upstream} {[^}]*server 127.0.0.1:(\\d+)`).exec(stdout)?.[1];
  expect(ports('backend.blue.1')).toBe(String(Number(from) + 9));
  expect(ports('backend.blue.2')).toBe(from);
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('a slots.json that makes no sense is told by its own path', async () => {
  turnout = await Turnout.create({ env: { TMPDIR: temp } });
  mkdirSync(turnout.state);
  writeFileSync(join(turnout.state, 'slots.json'), '{');
  const { code, stderr } = await turnout.cli('render');
  expect(code).toBe(8);
  expect(stderr).toContain(`${turnout.state}/slots.json cannot be read`);
});
