import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../sidecar/config/load.ts';
import { folderWith, load, refusal, service, top } from './temp.ts';

test('the smallest file gets every default of the design', async () => {
  const folder = await folderWith({ 'turnout.yaml': service() });
  expect(await loadConfig(join(folder, 'turnout.yaml'), {})).toEqual({
    file: join(folder, 'turnout.yaml'),
    state: join(folder, '.turnout'),
    runtime: 'process',
    docker: {
      socket: '/var/run/docker.sock',
      host: null,
      tls: null,
      network: 'turnout',
      subnet: { address: '172.31.240.0', bits: 22 },
      registryAuth: null,
      prune: '17 4 * * *',
    },
    ports: { from: 20_000, to: 20_999 },
    gateway: { listen: { host: '127.0.0.1', port: 8080 }, control: 'unix', managed: true, workers: 'auto' },
    api: { listen: { host: '127.0.0.1', port: 8090 } },
    services: [
      {
        name: 'backend',
        route: { host: '*', path: '/' },
        command: ['node', 'server.js'],
        cwd: folder,
        image: null,
        pull: 'missing',
        port: 8000,
        secrets: {},
        resources: { cpus: null, memory: null },
        container: {
          user: null,
          readOnly: false,
          capDrop: [],
          tmpfs: [],
          volumes: [],
          init: true,
          log: { maxSize: 10 * 1024 ** 2, maxFiles: 3 },
        },
        release: 'v1',
        replicas: 1,
        maxReplicas: 2,
        env: {},
        health: {
          path: '/health',
          interval: 1000,
          timeout: 5000,
          retries: 30,
          successes: 1,
          failures: 3,
          expect: { status: 200, json: {} },
        },
        exposeHealth: false,
        failover: true,
        warm: [],
        smoke: [],
        promote: 'auto',
        promoteTimeout: 3_600_000,
        bake: {
          for: 60_000,
          minRequests: 50,
          onInconclusive: 'pass',
          maxErrorRate: 0.01,
          maxP99: null,
          maxRestarts: 0,
          maxCpu: null,
          maxMemory: null,
          logErrors: null,
        },
        hooks: { beforeSwitch: null, afterLive: null, afterRollback: null },
        drain: { timeout: 30_000 },
        stop: { signal: 'SIGTERM', timeout: 10_000 },
        keep: 600_000,
        keepalive: { connections: 32, idle: 4000 },
        connectTimeout: 1000,
        passive: { maxFails: 3, failTimeout: 2000 },
      },
    ],
    webhooks: [],
    secrets: [],
  });
});

test('every key can be set', async () => {
  const config = await load(
    `
state: /var/tn
runtime: process
ports: 9001-32767
gateway: { listen: "[::1]:80", control: unix, managed: true, workers: 64 }
api: { listen: 9000 }
webhooks: [{ url: "https://example.org/hook", format: slack, secret: "\${KEY}" }]
services:
  b-2:
    route: { host: "*.Example.org", path: /api/v1 }
    command: [./run, "{release}"]
    cwd: releases/{release}
    release: 1.2.3+build
    replicas: 3
    env: { LEVEL: high }
    health: { path: "/h?deep=1", interval: 500ms, timeout: 2s, retries: 5, successes: 2, failures: 4,
      expect: { status: 204, json: { a: [1] } } }
    exposeHealth: true
    warm: [{ get: "/a?b=1", count: 5 }, { get: / }]
    smoke: [{ get: /ping, timeout: 3s, expect: { status: 204, json: { a: [1] } } }, { get: / }]
    promote: manual
    promoteTimeout: 10m
    bake: { for: 5m, minRequests: 200, onInconclusive: rollback, maxErrorRate: 0.5%, maxP99: 300ms, maxRestarts: 2,
      maxCpu: 80%, maxMemory: 512m, logErrors: { pattern: "ERROR|FATAL", max: 3 } }
    hooks: { beforeSwitch: [./migrate, "{release}"], afterLive: { command: [./tell, live], timeout: 5s }, afterRollback: [./tell] }
    drain: { timeout: 1m }
    stop: { signal: SIGQUIT, timeout: 1.5s }
    keep: 0
    keepalive: { connections: 8, idle: 2s }
    connectTimeout: 250ms
    passive: { maxFails: 0, failTimeout: 1m }
  a:
    route: { path: /a }
    command: [a]
    health: /
    replicas: 1
    maxReplicas: 1
    bake: { for: 0s, maxP99: none, maxCpu: none, maxMemory: none, logErrors: none }
`,
    { KEY: 'signing-key' },
  );
  expect(config).toMatchObject({
    state: '/var/tn',
    ports: { from: 9001, to: 32_767 },
    gateway: { listen: { host: '::1', port: 80 }, workers: 64 },
    api: { listen: { port: 9000 } },
    webhooks: [{ url: 'https://example.org/hook', format: 'slack', secret: 'signing-key' }],
    secrets: [{ name: 'KEY', value: 'signing-key' }],
  });
  expect(config.services.map(({ name }) => name)).toEqual(['b-2', 'a']);
  expect(config.services[0]).toMatchObject({
    route: { host: '*.example.org', path: '/api/v1' },
    command: ['./run', '{release}'],
    cwd: expect.stringMatching(/tn-.*\/releases\/\{release\}$/),
    release: '1.2.3+build',
    replicas: 3,
    maxReplicas: 3,
    env: { LEVEL: 'high' },
    health: {
      path: '/h?deep=1',
      interval: 500,
      timeout: 2000,
      retries: 5,
      successes: 2,
      failures: 4,
      expect: { status: 204, json: { a: [1] } },
    },
    exposeHealth: true,
    warm: [
      { path: '/a?b=1', count: 5 },
      { path: '/', count: 20 },
    ],
    smoke: [
      { path: '/ping', timeout: 3000, expect: { status: 204, json: { a: [1] } } },
      { path: '/', timeout: 2000, expect: { status: 200, json: {} } },
    ],
    promote: 'manual',
    promoteTimeout: 600_000,
    bake: {
      for: 300_000,
      minRequests: 200,
      onInconclusive: 'rollback',
      maxErrorRate: 0.005,
      maxP99: 300,
      maxRestarts: 2,
      maxCpu: 0.8,
      maxMemory: 536_870_912,
      logErrors: { pattern: /ERROR|FATAL/, max: 3 },
    },
    hooks: {
      beforeSwitch: { command: ['./migrate', '{release}'], timeout: 60_000 },
      afterLive: { command: ['./tell', 'live'], timeout: 5000 },
      afterRollback: { command: ['./tell'], timeout: 60_000 },
    },
    drain: { timeout: 60_000 },
    stop: { signal: 'SIGQUIT', timeout: 1500 },
    keep: 0,
    keepalive: { connections: 8, idle: 2000 },
    connectTimeout: 250,
    passive: { maxFails: 0, failTimeout: 60_000 },
  });
  expect(config.services[1]).toMatchObject({
    maxReplicas: 1,
    bake: { for: 0, maxP99: null, maxCpu: null, maxMemory: null, logErrors: null },
  });
});

test('a file that is not there is named as the user named it', async () => {
  await expect(loadConfig('no/such.yaml', {})).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/^no\/such\.yaml: not found, expected /),
  });
  await expect(loadConfig('/tmp', {})).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/^\/tmp: cannot be read/),
  });
});

test('all problems are told at once, in the order of the file', async () => {
  expect(
    await refusal(`services:
  api:
    comand: [node]
    health: /health
    keep: 10 parsecs
    env: { TOKEN: "\${NOPE}" }
  api:
    command: [node]
    health: /
    replicas: 3
    maxReplicas: 2
gateway: { listen: 8090 }
`),
  ).toEqual([
    'turnout.yaml:7:3: found the key "api" again in the same map, expected every key once',
    'turnout.yaml:11:18: found maxReplicas 2 with replicas 3, expected at least 3',
    expect.stringMatching(
      /^turnout.yaml:12:20: found gateway.listen 127.0.0.1:8090 and api.listen 127.0.0.1:8090, .* expected two that differ$/,
    ),
  ]);
  const lines = await refusal(`services:
  api:
    comand: [node]
    health: /health
    keep: 10 parsecs
    env: { TOKEN: "\${NOPE}" }
`);
  expect(lines).toEqual([
    expect.stringMatching(/^turnout.yaml:2:3: the key "command" is missing, expected a list/),
    expect.stringMatching(
      /^turnout.yaml:3:5: unknown key "comand", expected one of route, command, cwd, .* \(did you mean "command"\?\)$/,
    ),
    'turnout.yaml:5:11: found "10 parsecs", expected a duration such as 500ms, 30s, 10m or 1h',
    expect.stringMatching(/^turnout.yaml:6:19: the variable NOPE is not set, expected /),
  ]);
});

test.each([
  ['a broken list', 'services: [1', /^turnout.yaml:1:\d+: found .*, expected valid YAML$/],
  ['a tab as indentation', 'services:\n\ta: 1', /^turnout.yaml:2:\d+: found .*, expected valid YAML$/],
  ['two documents', `${service()}---\na: 1\n`, /^turnout.yaml:5:1: found .*, expected valid YAML$/],
  ['a star without quotes', service('route: { host: * }'), /^turnout.yaml:5:20: found .*a star needs quotes/],
  ['an unknown tag', service('keep: !long 1h'), /^turnout.yaml:5:11: found .*!long, expected valid YAML$/],
  ['an empty file', '', /^turnout.yaml:1:1: found nothing, expected a map with the key services$/],
  ['a list', '\n- 1', /^turnout.yaml:2:1: found a list, expected a map/],
  ['an alias of nothing', 'services:\n  a: *nothing', /^turnout.yaml:2:6: found aliases that cannot be resolved/],
  ['an alias inside of itself', 'services: &a\n  b: *a', /^turnout.yaml:2:6: found an alias inside of what it stands for/],
])('%s is refused with its position', async (_what, yaml, line) => {
  expect(await refusal(yaml)).toEqual([expect.stringMatching(line)]);
});

test('a bomb of aliases is refused and not expanded', async () => {
  const bomb = ['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi']) {
    bomb.push(`${to}: &${to} [${Array.from({ length: 10 }, () => `*${from}`).join(', ')}]`);
  }
  expect(await refusal(bomb.join('\n'))).toEqual([
    expect.stringMatching(/^turnout.yaml:2:8: found aliases that cannot be resolved/),
  ]);
});

test('an alias may be used, and what is wrong in it is told once, where it is written', async () => {
  const yaml = (keep: string) => `services:
  a: { command: [a], health: /, route: { path: /a }, drain: &drain { timeout: ${keep} } }
  b: { command: [b], health: /, route: { path: /b }, drain: *drain }
`;
  expect((await load(yaml('5s'))).services.map(({ drain }) => drain.timeout)).toEqual([5000, 5000]);
  expect(await refusal(yaml('5'))).toEqual([
    expect.stringMatching(/^turnout.yaml:2:79: found 5, expected .*the unit is missing/),
  ]);
});

test('a state folder whose socket path is over 107 bytes is refused with its length', async () => {
  const state = (length: number) => `/${'s'.repeat(length - '//gateway/preview-backend.sock'.length)}`;
  expect((await load(top(`state: ${state(107)}`))).state).toBe(state(107));
  expect(await refusal(top(`state: ${state(108)}`))).toEqual([
    expect.stringMatching(/^turnout.yaml:1:8: found .* has a path of 108 bytes, expected at most 107/),
  ]);
});

test('the socket path is measured in bytes, not in letters', async () => {
  expect(await refusal(top(`state: /${'ä'.repeat(39)}`))).toEqual([expect.stringMatching(/has a path of 108 bytes/)]);
});

test('a file nested too deeply to be read is refused, not crashed on', async () => {
  for (const depth of [100, 600, 800, 1500, 20_000]) {
    expect((await refusal(`a: ${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`)).join()).toMatch(/^turnout.yaml:1:\d+: /);
  }
});

test('a default state folder that is too deep is refused on line 1', async () => {
  const folder = await folderWith({ [`${'d'.repeat(100)}/turnout.yaml`]: `# here\n${service()}` });
  const file = join(folder, 'd'.repeat(100), 'turnout.yaml');
  await expect(loadConfig(file, {})).rejects.toMatchObject({
    message: expect.stringMatching(/^\/.*turnout.yaml:1:1: found a state folder .* bytes/),
  });
});
