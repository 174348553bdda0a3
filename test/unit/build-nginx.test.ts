import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cacheFolder, findNginx, nginxVariables } from '../../build/nginx.js';

let home: string;
let bin: string;
let cache: string;
let etc: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'turnout-find-'));
  [bin, cache, etc] = [join(home, 'bin'), join(home, 'cache'), join(home, 'etc')];
  mkdirSync(bin);
  mkdirSync(etc);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Only this test's own folders: the machine's nginx and apt are out of reach. */
const find = (env: NodeJS.ProcessEnv = {}, folders: string[] = []) =>
  findNginx({ env: { PATH: bin, ...env }, cache, etc, folders });

/** The exit code and the whole text of a refusal. */
const refusal = (env?: NodeJS.ProcessEnv) =>
  find(env).then(
    () => expect.unreachable('an nginx was found'),
    (error) => ({ message: error.message as string, exitCode: error.exitCode as number }),
  );

function program(path: string, text: string) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

/** Answers -V, and serves njs' version on the socket in its configuration, as the real one does. Counts its starts. */
function fakeNginx(path: string, { nginx = '1.30.6', njs = '1.0.2', module = true } = {}) {
  program(
    path,
    `#!${process.execPath}
const fs = require('node:fs');
fs.appendFileSync(${JSON.stringify(`${path}.starts`)}, process.argv.slice(2).join(' ') + '\\n');
if (process.argv.includes('-V')) {
  console.error('nginx version: nginx/${nginx}');
  console.error('configure arguments: --prefix=/none --modules-path=${home}/modules --without-http_uwsgi_module');
} else {
  const conf = fs.readFileSync(process.argv[process.argv.indexOf('-c') + 1], 'utf8');
  if (!conf.includes('load_module')) {
    console.error('nginx: [emerg] unknown directive "js_import"');
    process.exit(1);
  }
  if (conf.includes('uwsgi')) process.exit(1);
  require('node:http').createServer((_, response) => response.end('${njs}')).listen(/listen "unix:(.*)"/.exec(conf)[1]);
}
`,
  );
  if (module) {
    mkdirSync(join(home, 'modules'), { recursive: true });
    writeFileSync(join(home, 'modules/ngx_http_js_module.so'), '');
  }
  return path;
}

const starts = (path: string) =>
  existsSync(`${path}.starts`) ? readFileSync(`${path}.starts`, 'utf8').trim().split('\n').length : 0;

describe('the order of the three ways', () => {
  test('TURNOUT_NGINX goes before an nginx on PATH', async () => {
    fakeNginx(join(bin, 'nginx'));
    const chosen = fakeNginx(join(home, 'own/nginx'), { nginx: '1.31.0' });
    expect(await find({ TURNOUT_NGINX: chosen })).toEqual({
      command: [chosen],
      module: join(home, 'modules/ngx_http_js_module.so'),
      nginx: '1.31.0',
      njs: '1.0.2',
      source: 'TURNOUT_NGINX',
    });
    expect(starts(join(bin, 'nginx'))).toBe(0);
  });

  test('a TURNOUT_NGINX that cannot be used is an error, even when PATH has a good one', async () => {
    fakeNginx(join(bin, 'nginx'));
    const { message, exitCode } = await refusal({ TURNOUT_NGINX: join(home, 'absent') });
    expect(exitCode).toBe(8);
    expect(message).toContain(`${join(home, 'absent')}: is not a program`);
    expect(starts(join(bin, 'nginx'))).toBe(0);
  });

  test('a TURNOUT_NGINX with an old njs is an error that names both versions', async () => {
    const old = fakeNginx(join(home, 'own/nginx'), { nginx: '1.26.3', njs: '0.8.9' });
    expect((await refusal({ TURNOUT_NGINX: old })).message).toContain(`${old}: nginx 1.26.3 with njs 0.8.9, needs njs >= 1.0`);
  });

  test('an nginx on PATH goes before a private copy', async () => {
    fakeNginx(join(bin, 'nginx'));
    program(join(bin, 'apt-get'), `#!/bin/sh\ntouch ${home}/apt-was-called\n`);
    expect(await find()).toMatchObject({ command: [join(bin, 'nginx')], source: 'PATH' });
    expect(existsSync(join(home, 'apt-was-called'))).toBe(false);
  });

  test('of several on PATH the first good one is taken, and one binary by two names is asked once', async () => {
    const old = fakeNginx(join(bin, 'nginx'), { njs: '0.7.9' });
    mkdirSync(join(home, 'again'));
    symlinkSync(old, join(home, 'again/nginx'));
    const good = fakeNginx(join(home, 'sbin/nginx'), { njs: '10.0.0' });
    expect(await find({ PATH: `${bin}:${join(home, 'again')}:` }, [join(home, 'sbin')])).toMatchObject({
      command: [good],
      njs: '10.0.0',
    });
    expect(starts(old)).toBe(2 + 1); // -V, with the module, without it
  });

  test('an nginx that apt brings is used when PATH has none, unpacked once, run through its own loader', async () => {
    fakeApt();
    const found = await find();
    const root = join(cache, `nginx-1-forky-${process.arch === 'x64' ? 'amd64' : 'arm64'}`);
    expect(found).toMatchObject({ nginx: '1.30.6', njs: '1.0.2', source: 'cache' });
    expect(found.command).toMatchObject({ 1: '--library-path', 3: join(root, 'usr/sbin/nginx') });
    expect(found.module).toBe(join(root, 'usr/lib/nginx/modules/ngx_http_js_module.so'));
    expect(await find()).toEqual(found);
    expect(readFileSync(join(home, 'apt-calls'), 'utf8')).toBe('update\ninstall\n');
    expect(readdirSync(cache).sort()).toEqual([root.split('/').at(-1), 'probes']);
  });

  test('starts that race fetch one copy between them', async () => {
    fakeApt();
    const [first, ...others] = await Promise.all([find(), find(), find()]);
    expect(others).toEqual([first, first]);
    expect(readFileSync(join(home, 'apt-calls'), 'utf8')).toBe('update\ninstall\n');
  });

  test('a copy that stopped working is fetched anew', async () => {
    fakeApt();
    const found = await find();
    rmSync(found.module);
    expect(await find()).toEqual(found);
    expect(existsSync(found.module)).toBe(true);
  });
});

test('a new look at the same binary costs no start, until a file that decided it changes', async () => {
  const old = fakeNginx(join(bin, 'nginx'), { njs: '0.7.9' });
  await refusal();
  const before = starts(old);
  await refusal();
  expect(starts(old)).toBe(before);
  fakeNginx(old, { njs: '1.0.2' });
  writeFileSync(join(home, 'modules/ngx_http_js_module.so'), 'upgraded');
  expect(await find()).toMatchObject({ njs: '1.0.2' });
});

describe('when nothing works, one message', () => {
  test('names every way, why it failed, and two ways out', async () => {
    fakeNginx(join(bin, 'nginx'), { nginx: '1.22.1', njs: '0.7.9' });
    writeFileSync(join(etc, 'sources.list'), 'deb http://mirror.example/debian bookworm main\n');
    const { message, exitCode } = await refusal();
    expect(exitCode).toBe(8);
    expect(message).toContain('TURNOUT_NGINX: not set');
    expect(message).toContain(`nginx on PATH: ${join(bin, 'nginx')}: nginx 1.22.1 with njs 0.7.9, needs njs >= 1.0`);
    expect(message).toContain('apt-get: not found');
    expect(message).toContain('set TURNOUT_NGINX to the path of an nginx with njs >= 1.0');
    expect(message).toContain('nginx:1.30');
  });

  test('tells an nginx without njs from one that does not run', async () => {
    fakeNginx(join(bin, 'nginx'), { module: false });
    expect((await refusal()).message).toMatch(/nginx: nginx 1\.30\.6 without njs \(no ngx_http_js_module\.so in .*\/modules/);
    program(join(bin, 'nginx'), '#!/bin/sh\necho "libssl.so.3: cannot open shared object file" >&2\nexit 127\n');
    expect((await refusal()).message).toContain('nginx: does not run: libssl.so.3: cannot open');
  });

  test("shows apt's own complaint, leaves no folder behind, and the next start tries again", async () => {
    fakeApt('echo "Reading package lists..."; echo "E: Unable to locate package nginx" >&2; exit 100');
    expect((await refusal()).message).toMatch(/private copy in .*: apt-get install: E: Unable to locate package nginx/);
    expect(existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('nginx-')) : []).toEqual([]);
    fakeApt();
    expect(await find()).toMatchObject({ source: 'cache' });
  });

  test('says so when the machine names no Debian archive', async () => {
    expect((await refusal()).message).toContain('no Debian archive is named');
  });

  test('says so when the cache cannot be written', async () => {
    writeFileSync(join(etc, 'sources.list'), 'deb http://mirror.example/debian bookworm main\n');
    writeFileSync(cache, 'a file');
    const { message, exitCode } = await refusal();
    expect(exitCode).toBe(8);
    expect(message).toContain('TURNOUT_CACHE names another folder');
  });
});

test("apt is asked with the machine's own settings, its own archive, and nothing of its state", async () => {
  fakeApt(`cp "$2" ${'"$HOME_OF_TEST"'}/seen.conf; cp "$(dirname "$2")/turnout.sources" "$HOME_OF_TEST"/seen.sources; exit 1`);
  await refusal({ HOME_OF_TEST: home, PATH: `${bin}:/usr/bin:/bin` });
  const conf = readFileSync(join(home, 'seen.conf'), 'utf8');
  expect(conf).not.toMatch(/Dir::Etc::(Main|Parts) /i);
  expect(conf).not.toMatch(/proxy/i);
  expect(conf).toContain(`Dir::State::Status "${cache}/`);
  const source = readFileSync(join(home, 'seen.sources'), 'utf8');
  expect(source).toContain('URIs: http://mirror.example/debian\nSuites: forky\n');
  expect(source).toContain('Signed-By: /keys/own.gpg');
});

test('the cache is where TURNOUT_CACHE, XDG_CACHE_HOME or HOME say, in this order', () => {
  const env = { TURNOUT_CACHE: '/t', XDG_CACHE_HOME: '/x', HOME: '/h' };
  expect(cacheFolder(env)).toBe('/t');
  expect(cacheFolder({ ...env, TURNOUT_CACHE: '' })).toBe('/x/turnout');
  expect(cacheFolder({ HOME: '/h' })).toBe('/h/.cache/turnout');
});

test('what was found is handed over as words, a path and versions', () => {
  const found = { command: ['/ld', '/nginx'], module: '', nginx: '1.30.6', njs: '1.0.2', source: 'cache' as const };
  expect(nginxVariables(found)).toEqual({
    TURNOUT_NGINX_COMMAND: '["/ld","/nginx"]',
    TURNOUT_NGINX_MODULE: '',
    TURNOUT_NGINX_VERSIONS: '{"nginx":"1.30.6","njs":"1.0.2","source":"cache"}',
  });
});

/** An apt-get that "downloads" one package, and a dpkg-deb that unpacks a fake nginx with a fake loader from it. */
function fakeApt(install = 'touch "$(dirname "$2")/archives/nginx.deb"') {
  const [triplet, loader] =
    process.arch === 'x64' ? ['x86_64-linux-gnu', 'ld-linux-x86-64.so.2'] : ['aarch64-linux-gnu', 'ld-linux-aarch64.so.1'];
  const shell = '#!/bin/sh\nPATH=/usr/bin:/bin\n';
  writeFileSync(join(etc, 'sources.list'), 'deb [signed-by=/keys/own.gpg] http://mirror.example/debian bookworm main\n');
  fakeNginx(join(home, 'deb/usr/sbin/nginx'), { module: false });
  program(join(home, `deb/usr/lib/${triplet}/${loader}`), `${shell}shift 2\nexec "$@"\n`);
  program(join(home, 'deb/usr/lib/nginx/modules/ngx_http_js_module.so'), '');
  program(join(bin, 'apt-get'), `${shell}echo "$4" >> ${home}/apt-calls\n[ "$4" = update ] && exit 0\n${install}\n`);
  program(join(bin, 'dpkg-deb'), `${shell}cp -r ${home}/deb/. "$3"\n`);
}
