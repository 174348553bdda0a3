import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineCounter, parse, stringify } from 'yaml';
import { formatBytes, parseBytes } from '../../../sidecar/config/bytes.ts';
import { loadConfig } from '../../../sidecar/config/load.ts';
import { formatPercentage } from '../../../sidecar/config/percentage.ts';
import { Problems } from '../../../sidecar/config/problems.ts';
import { shownConfig } from '../../../sidecar/config/shown.ts';
import { Source } from '../../../sidecar/config/source.ts';
import { Turnout } from '../../support/turnout.ts';
import { folderWith, service } from './temp.ts';

async function shown(yaml: string, env: NodeJS.ProcessEnv = {}, files: Record<string, string> = {}) {
  const folder = await folderWith({ 'turnout.yaml': yaml, ...files });
  const file = join(folder, 'turnout.yaml');
  const config = await loadConfig(file, env);
  const lines = new LineCounter();
  const object = shownConfig(config, new Source(await readFile(file, 'utf8'), lines, new Problems(file, lines)), env);
  return { folder, config, object, text: stringify(object, { lineWidth: 0 }) };
}

const EVERYTHING = `
state: state
runtime: docker
docker: { subnet: 10.1.0.0/20, host: "10.0.0.1:2376", registryAuth: { registry.example: { username: ci, passwordFile: ci.password } } }
ports: 21000-21999
gateway: { listen: "0.0.0.0:8081", workers: 3, managed: false }
api: { listen: "[::1]:8091" }
services:
  backend:
    route: { host: example.org, path: /api }
    image: registry.example/backend:{release}
    secrets: { db: db.secret }
    resources: { cpus: 0.5, memory: 300m }
    container: { user: app, readOnly: true, log: { maxSize: 1.5m, maxFiles: 2 } }
    replicas: 3
    env: { A: plain }
    health: { path: /health, interval: 1500ms, expect: { json: { database: healthy } } }
    warm: [{ get: /, count: 3 }]
    smoke: [{ get: /api, expect: { status: 204 } }]
    bake: { for: 90s, maxErrorRate: 0.5%, maxP99: 300ms, maxCpu: 80%, maxMemory: 1g, logErrors: { pattern: "ERROR|FATAL", max: 3 } }
    hooks: { afterLive: { command: [node, notify.js], timeout: 5m } }
    keep: 0s
  small:
    image: small:1
    route: { path: /small }
    health: none
`;

test.each([
  ['the smallest file', service()],
  ['a file with everything', EVERYTHING],
])('%s, shown and read again, is the same configuration', async (_, yaml) => {
  const { config, text, folder } = await shown(yaml);
  await writeFile(join(folder, 'turnout.yaml'), text);
  expect(await loadConfig(join(folder, 'turnout.yaml'), {})).toEqual(config);
});

test('every default is filled in, in the words of turnout.yaml, and paths are absolute', async () => {
  const { object, folder } = await shown(service());
  expect(object).toMatchObject({
    state: join(folder, '.turnout'),
    gateway: { listen: '127.0.0.1:8080' },
    services: { backend: { cwd: folder, keep: '10m', bake: { for: '1m', maxErrorRate: '1%', maxP99: 'none' }, maxReplicas: 2 } },
  });
  expect(Object.keys((object.services as { backend: object }).backend)).not.toContain('image');
});

const SECRETS = { PW: 'hunter22', SHORT: 'ab', HOOK: 'hook-token-1', KEY: 'hook-key-1', FILE: 'file-secret-1' };

test('no value of a variable, of an env file or of a webhook is shown, but where it comes from', async () => {
  const yaml = `
webhooks:
  - { url: "https://hooks.example.org/\${HOOK}", secret: "\${KEY}" }
  - { url: https://hooks.example.org/plain-token-1 }
services:
  backend:
    command: [node, server.js, "--key=hunter22"]
    hooks: { afterLive: [notify, "hunter22"] }
    health: /
    envFile: secrets.env
    env:
      WHOLE: "\${PW}"
      PART: "postgres://u:\${PW}@db/\${SHORT}"
      TINY: "\${SHORT}"
      DEFAULT: "\${UNSET:-fallback}"
      ESCAPED: "$\${PW}"
      SAME: "it is hunter22"
      PLAIN: text
      NUMBER: 1.10
      OVER: text
`;
  const { object, text } = await shown(yaml, SECRETS, { 'secrets.env': 'FROM_FILE=file-secret-1\nOVER=file-secret-2\n' });
  const { env, command } = (object.services as { backend: Record<string, unknown> }).backend!;
  expect(env).toEqual({
    FROM_FILE: '(hidden)',
    OVER: 'text',
    WHOLE: '(from PW)',
    PART: '(from PW, SHORT)',
    TINY: '(from SHORT)',
    DEFAULT: 'fallback',
    ESCAPED: '${PW}',
    SAME: 'it is ${PW}',
    PLAIN: 'text',
    NUMBER: '1.10',
  });
  expect(command).toEqual(['node', 'server.js', '--key=${PW}']);
  expect(object.webhooks).toEqual([
    { url: '(from HOOK)', format: 'json', secret: '(from KEY)' },
    { url: '(hidden)', format: 'json' },
  ]);
  for (const secret of [...Object.values(SECRETS).filter((one) => one.length > 2), 'plain-token-1', 'file-secret'])
    expect(text).not.toContain(secret);
});

test('`turnout config` needs no sidecar, no nginx and no variable of this shell, and makes no state folder', async () => {
  const service = { env: { PASSWORD: '${CONFIG_TEST_PASSWORD}', KEY: '${CONFIG_TEST_KEY:?give one}' } };
  const turnout = await Turnout.create({ service, env: { CONFIG_TEST_KEY: 'a-key-of-the-test', TURNOUT_NGINX: '/nonexistent' } });
  try {
    const { code, stdout, stderr } = await turnout.cli('config');
    expect(code, stderr).toBe(0);
    expect(parse(stdout).services.backend.env).toEqual({
      PASSWORD: '(from CONFIG_TEST_PASSWORD)',
      KEY: '(from CONFIG_TEST_KEY)',
    });
    const json = await turnout.cli('config', '--json');
    expect(JSON.parse(json.stdout)).toEqual(parse(stdout));
    for (const text of [stdout, stderr, json.stdout]) expect(text).not.toMatch(/a-key-of-the-test|not-set-in-this-shell/);
    expect(await readFile(turnout.state).catch((error: NodeJS.ErrnoException) => error.code)).toBe('ENOENT');
  } finally {
    await turnout.destroy();
  }
});

test.each([1, 1000, 1024, 1536, 300 * 1024 ** 2, 1024 ** 3])('%i bytes are read back as they were', (bytes) => {
  expect(parseBytes(formatBytes(bytes))).toBe(bytes);
});

test.each([
  [0, '0%'],
  [0.01, '1%'],
  [0.007, '0.7%'],
  [0.00005, '0.005%'],
  [0.000001, 0.000001],
  [1, '100%'],
])('the share %d is shown as %s', (share, text) => {
  expect(formatPercentage(share)).toBe(text);
});
