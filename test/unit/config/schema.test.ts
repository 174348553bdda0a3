import { homedir } from 'node:os';
import { expect, test } from 'vitest';
import { load, refusal, service, top } from './temp.ts';

const NOT_YET =
  /^turnout.yaml:\d+:\d+: the key "\w+" is known but does not work yet in this version, expected it to be left out$/;

test.each([
  'sticky: { cookie: a }',
  'preview: none',
  'pin: none',
  'pause: { limit: 30s }',
  'maintenance: none',
  'strategy: blue-green',
  'scaling: none',
  'buffering: on',
])('%s is known, but does not work yet', async (line) => {
  expect(await refusal(service(line))).toEqual([expect.stringMatching(NOT_YET)]);
});

test.each(['gateway: { tls: none }', 'gateway: { trustedProxies: [] }'])('%s is known, but does not work yet', async (line) => {
  expect(await refusal(top(line))).toEqual([expect.stringMatching(NOT_YET)]);
});

test('ports may reach from the first that needs no root to the last below the ephemeral range', async () => {
  expect((await load(top('ports: 1024-8000', 'gateway: { listen: 80 }'))).ports).toEqual({ from: 1024, to: 8000 });
});

test.each([
  ['runtime: podman', /^turnout.yaml:1:10: found "podman", expected process or docker$/],
  ['runtime: docker', /^turnout.yaml:3:3: the key "image" is missing, expected an image such as .* \(runtime: docker\)$/],
  ['docker: { subnet: 10.0.0.1/24 }', /^turnout.yaml:1:19: found "10.0.0.1\/24", expected an IPv4 network of 16 to 28 bits/],
  ['docker: { subnet: 10.0.0.0/8 }', /^turnout.yaml:1:19: found "10.0.0.0\/8", expected an IPv4 network of 16 to 28 bits/],
  ['docker: { host: somewhere:2376 }', /^turnout.yaml:1:17: found "somewhere:2376", expected none or a port/],
  ['docker: { prune: daily }', /^turnout.yaml:1:18: found "daily", expected none or the five fields of cron/],
  ['docker: { registryAuth: { "bad name": { username: a, passwordFile: b } } }', /^turnout.yaml:1:\d+: found .*expected /],
  ['gateway: { control: 127.0.0.1:9000 }', /^turnout.yaml:1:21: found "127.0.0.1:9000", expected unix .*does not work yet/],
  ['gateway: { managed: maybe }', /^turnout.yaml:1:21: found "maybe", expected true or false$/],
  ['gateway: { workers: 65 }', /^turnout.yaml:1:21: found 65, expected auto or a whole number from 1 to 64$/],
  ['gateway: { workers: many }', /^turnout.yaml:1:21: found "many", expected auto or/],
  ['gateway: { listen: localhost:80 }', /^turnout.yaml:1:20: found "localhost:80", expected a port such as/],
  ['gateway: 8080', /^turnout.yaml:1:10: found 8080, expected a map with the keys listen, /],
  ['api: { listen: 70000 }', /^turnout.yaml:1:16: found 70000, expected a port such as/],
  ['ports: 20000', /^turnout.yaml:1:8: found 20000, expected a range such as 20000-20999/],
  ['ports: 1023-2000', /^turnout.yaml:1:8: found "1023-2000", expected a range/],
  ['ports: 30000-32768', /^turnout.yaml:1:8: found .*below the ephemeral ports/],
  ['ports: 20999-20000', /^turnout.yaml:1:8: found .*the smaller port first/],
  ['state:', /^turnout.yaml:1:7: found nothing, expected a folder/],
  ['state: ""', /^turnout.yaml:1:8: found "", expected a folder/],
  [
    'state: ".turnout/${USER}"',
    /^turnout.yaml:1:8: found .*variables work only in the values of env and in url and secret of webhooks$/,
  ],
  ['__proto__: { a: 1 }', /^turnout.yaml:1:1: unknown key "__proto__", expected one of state, /],
  ['gatway: {}', /^turnout.yaml:1:1: unknown key "gatway", .*did you mean "gateway"/],
])('%s is refused', async (line, expected) => {
  expect(await refusal(top(line))).toEqual([expect.stringMatching(expected)]);
});

test.each([
  ['keep: 30', /^turnout.yaml:5:11: found 30, expected a duration such as .*the unit is missing/],
  ['keep: [1s]', /^turnout.yaml:5:11: found a list, expected a duration such as/],
  ['keep:', /^turnout.yaml:5:10: found nothing, expected a duration/],
  ['keep: ${KEEP}', /^turnout.yaml:5:11: found "\$\{KEEP\}", expected text without/],
  ['replicas: 0', /^turnout.yaml:5:15: found 0, expected a whole number from 1 to 64$/],
  ['replicas: 65', /^turnout.yaml:5:15: found 65, expected/],
  ['replicas: 1.5', /^turnout.yaml:5:15: found 1.5, expected/],
  ['replicas: "2"', /^turnout.yaml:5:15: found "2", expected/],
  ['max_replicas: 2', /^turnout.yaml:5:5: unknown key "max_replicas", .*did you mean "maxReplicas"/],
  ['release: 1.10', /^turnout.yaml:5:14: found 1.10, expected a label .*a number needs quotes/],
  ['release: ../../etc', /^turnout.yaml:5:14: found .* expected a label/],
  ['promote: later', /^turnout.yaml:5:14: found "later", expected auto or manual$/],
  ['promoteTimeout: 0', /^turnout.yaml:5:21: found 0, expected a duration of at least 1ms$/],
  ['exposeHealth: "yes"', /^turnout.yaml:5:19: found "yes", expected true or false$/],
  ['stop: { signal: TERM }', /^turnout.yaml:5:21: found "TERM", expected the name of a signal such as SIGTERM/],
  ['stop: { signal: toString }', /^turnout.yaml:5:21: found "toString", expected the name of a signal/],
  ['connectTimeout: 0', /^turnout.yaml:5:21: found 0, expected a duration of at least 1ms$/],
  ['passive: { failTimeout: 1500ms }', /^turnout.yaml:5:29: found "1500ms", expected whole seconds/],
  ['Connect_time-OUT: 1s', /^turnout.yaml:5:5: unknown key "Connect_time-OUT", .*did you mean "connectTimeout"/],
  ['passive: { failTimeout: 0 }', /^turnout.yaml:5:29: found 0, expected a duration of at least 1ms$/],
  ['passive: { failTimeout: 3 }', /^turnout.yaml:5:29: found 3, expected a duration .*the unit is missing/],
  ['keepalive: { connections: 0 }', /^turnout.yaml:5:31: found 0, expected a whole number from 1 to 10000$/],
  ['cwd: "a\\nb"', /^turnout.yaml:5:10: found "a\\nb", expected a folder/],
  ['cwd: "a\\0b"', /^turnout.yaml:5:10: found "a\\u0000b", expected a folder/],
  ['route: { path: api }', /^turnout.yaml:5:20: found "api", expected a path that starts with \//],
  ['env: [A=1]', /^turnout.yaml:5:10: found a list, expected a map of names and values$/],
  ['envFile: 5', /^turnout.yaml:5:14: found 5, expected the path of a file or a list of paths$/],
])('%s in a service is refused', async (line, expected) => {
  expect(await refusal(service(line))).toEqual([expect.stringMatching(expected)]);
});

test.each(['/a b', '/a"b', '/a{b}', '/a;b', '/a$b', '/a\\b', "/a'b", '/a\nb', '/a//b', '/../a', '/a/..', '/a#b', '/%20', '/ä'])(
  'the route path %j, which nginx would misread or never match, is refused',
  async (path) => {
    expect(await refusal(service(`route: { path: ${JSON.stringify(path)} }`))).toEqual([
      expect.stringMatching(/:5:20: found .* expected a path/),
    ]);
  },
);

test.each(['a b', 'a;b', 'a*', '*.', '*.*.org', '-a.org', 'a..b', '~^a$', '', '$host', 'a'.repeat(64)])(
  'the route host %j is refused',
  async (host) => {
    expect(await refusal(service(`route: { host: ${JSON.stringify(host)} }`))).toEqual([
      expect.stringMatching(/:5:20: found .* expected "\*" or a host name/),
    ]);
  },
);

test.each([
  ['command: node server.js', 'a list of the program and its arguments such as \\[node, server.js\\], not one string'],
  ['command: []', 'a list of the program and its arguments such as'],
  ['command: [""]', 'a word of the command'],
  ['command: [sleep, 5]', 'a word of the command \\(a number needs quotes\\)'],
  ['command: ["a\\0b"]', 'a word of the command'],
])('%s is refused', async (line, expected) => {
  expect(await refusal(`services:\n  a:\n    ${line}\n    health: /\n`)).toEqual([
    expect.stringMatching(`^turnout.yaml:3:\\d+: found .*, expected ${expected}`),
  ]);
});

test.each(['Backend', '1a', 'a_b', 'a.b', '-a', '"a b"', 'a'.repeat(41)])('the service name %s is refused', async (name) => {
  expect(await refusal(`services:\n  ${name}:\n    command: [a]\n    health: /\n`)).toEqual([
    expect.stringMatching(/^turnout.yaml:2:3: found the service name .*, expected a name of 1 to 40 lower-case letters/),
  ]);
});

test('a file without a service is refused', async () => {
  expect(await refusal('services: {}')).toEqual([
    'turnout.yaml:1:11: found an empty map, expected a map of at least one service',
  ]);
  expect(await refusal('state: a')).toEqual([
    'turnout.yaml:1:1: the key "services" is missing, expected a map of at least one service',
  ]);
});

test('maxReplicas is at least replicas, and two when left out', async () => {
  expect((await load(service('replicas: 5'))).services[0]!.maxReplicas).toBe(5);
  expect(await refusal(service('replicas: 3', 'maxReplicas: 2'))).toEqual([
    'turnout.yaml:6:18: found maxReplicas 2 with replicas 3, expected at least 3',
  ]);
});

test.each([
  ['image: "backend:${TAG}"', /^turnout.yaml:3:\d+: found "backend:\$\{TAG\}", expected text without \$\{/],
  ['image: Backend', /^turnout.yaml:3:\d+: found "Backend", expected an image such as/],
  ['pull: often', /^turnout.yaml:3:\d+: found "often", expected always, missing or never$/],
  ['port: 0', /^turnout.yaml:3:\d+: found 0, expected a whole number from 1 to 65535$/],
  ['resources: { memory: 512 }', /^turnout.yaml:3:\d+: found 512, expected an amount of memory .*the unit is missing/],
  ['secrets: { a/b: file }', /^turnout.yaml:3:\d+: found .*expected names of letters, digits and _ . -/],
  ['container: { tmpfs: [tmp] }', /^turnout.yaml:3:\d+: found "tmp", expected a folder in memory: an absolute path/],
  ['container: { volumes: ["data:there"] }', /^turnout.yaml:3:\d+: found "data:there", expected a volume such as/],
  ['container: { capDrop: [all] }', /^turnout.yaml:3:\d+: found "all", expected a capability such as ALL/],
])('%s of a service is refused', async (line, expected) => {
  expect(
    await refusal(
      `runtime: docker\nservices:\n  backend: { image: a, health: none }\n`.replace(
        'image: a',
        line.startsWith('image') ? line : `image: a, ${line}`,
      ),
    ),
  ).toEqual([expect.stringMatching(expected)]);
});

test.each(['secrets: { key: file }', 'resources: { cpus: 1 }', 'container: { readOnly: true }'])(
  '%s is refused where nothing runs in a container',
  async (line) => {
    const expected = /^turnout.yaml:5:5: found the key "\w+", expected it with runtime: docker only$/;
    expect(await refusal(service(line))).toEqual([expect.stringMatching(expected)]);
  },
);

test('without a command nothing can run as a process', async () => {
  const expected =
    /^turnout.yaml:2:3: the key "command" is missing, expected a list such as \[node, server.js\] \(runtime: process\)$/;
  expect(await refusal('services:\n  backend:\n    health: /health\n')).toEqual([expect.stringMatching(expected)]);
});

const CONTAINERS = `runtime: docker
docker:
  host: tcp://127.0.0.1:2376
  tls: certs
  subnet: 10.1.0.0/24
  registryAuth: { registry.example:5000: { username: ci, passwordFile: ci.password } }
services:
  backend: { image: "registry.example/backend:{release}", health: /health, secrets: { key: secrets/key }, resources: { cpus: 50%, memory: 64m } }
`;

test('containers need an image and no command; paths are relative to the file', async () => {
  const { runtime, docker, services } = await load(CONTAINERS);
  expect(runtime).toBe('docker');
  expect(docker).toMatchObject({ host: { host: '127.0.0.1', port: 2376 }, subnet: { address: '10.1.0.0', bits: 24 } });
  expect(docker.tls).toMatch(/^\/.*\/certs$/);
  expect(docker.registryAuth).toEqual({
    registries: { 'registry.example:5000': { username: 'ci', passwordFile: expect.stringMatching(/^\/.*\/ci.password$/) } },
  });
  expect(services[0]).toMatchObject({
    command: [],
    port: 8000,
    pull: 'missing',
    resources: { cpus: 0.5, memory: 64 * 1024 ** 2 },
  });
  expect(services[0]?.secrets.key).toMatch(/^\/.*\/secrets\/key$/);
});

test('the home folder may be written as ~ for the Docker config', async () => {
  const { docker } = await load(CONTAINERS.replace(/registryAuth: .*/, 'registryAuth: ~/.docker/config.json'));
  expect(docker.registryAuth).toEqual({ file: `${homedir()}/.docker/config.json` });
});

test('a subnet needs room for every slot beside the quarter that is left to Docker', async () => {
  const tooSmall = CONTAINERS.replace('10.1.0.0/24', '10.1.0.0/28').replace('health: /health', 'health: /health, maxReplicas: 6');
  const expected =
    /^turnout.yaml:5:11: found the subnet 10.1.0.0\/28, which has room for 11 slots, expected a larger one: 12 are needed/;
  expect(await refusal(tooSmall)).toEqual([expect.stringMatching(expected)]);
});
