import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { eventually, freePort } from '../support/processes.ts';
import { BACKEND, Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

interface Yaml {
  gateway: Record<string, unknown>;
  services: Record<string, Record<string, unknown>>;
}

function edit(change: (yaml: Yaml) => void): void {
  const yaml = parse(readFileSync(turnout.file, 'utf8')) as Yaml;
  change(yaml);
  writeFileSync(turnout.file, stringify(yaml));
}

/** Sends these bytes to the traffic port and answers all that comes back until the other side closes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(turnout.gatewayPort, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.setTimeout(5000, () => socket.destroy());
  });
}

test('a reload to an address that another process has is refused whole, and the next restart of nginx serves as before', async () => {
  turnout = await Turnout.start();
  const port = await freePort();
  const stranger = createServer().listen(port, '127.0.0.1');
  try {
    edit((yaml) => {
      yaml.gateway.listen = `127.0.0.1:${port}`;
      yaml.services.extra = { command: ['node', BACKEND], health: '/health', route: { path: '/extra' } };
    });
    const { code, stderr } = await turnout.cli('reload');
    expect(code, stderr).toBe(8);
    expect(stderr).toContain('another process listens there');
    process.kill(-turnout.masterPid(), 'SIGKILL');
    await eventually('it serves again', async () => {
      const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: '/' }).catch(() => null);
      return answer?.status === 200;
    });
  } finally {
    stranger.close();
  }
});

test('whoever reads the log may go away: up goes on, and ends all of it when told to', async () => {
  turnout = await Turnout.start();
  turnout.child?.stdout?.destroy();
  turnout.child?.stderr?.destroy();
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  expect(await turnout.endSidecar('SIGTERM')).toBe(0);
  expect(turnout.processes()).toEqual([]);
});

test('a first release that failed is deployed again by the next up', async () => {
  turnout = await Turnout.create({ service: { command: ['sh', '-c', 'exit 1'] } });
  await turnout.up();
  await eventually('it has failed', async () => (await turnout.deployments())[0]?.phase === 'failed');
  await turnout.endSidecar('SIGTERM');
  edit((yaml) => {
    Object.assign(yaml.services.backend as object, { command: ['node', BACKEND] });
  });
  await turnout.up();
  await turnout.untilLive();
});

test('a body goes on when its client asks for h2c, WebSocket works, and HTTP/1.0 needs no Host', async () => {
  turnout = await Turnout.start();
  const h2c = 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nConnection: close, Upgrade, HTTP2-Settings\r\n';
  expect(await raw(`POST /echo HTTP/1.1\r\nHost: x\r\n${h2c}Content-Length: 3\r\n\r\nabc`)).toMatch(/^HTTP\/1.1 200 [\s\S]*abc/);
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
  const upgraded = raw(`GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n`);
  expect(await upgraded).toMatch(/^HTTP\/1.1 101 /);
  expect(await raw('GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
});

test('services may be called control, preview-backend or constructor, with names of 40 letters', async () => {
  turnout = await Turnout.create();
  const names = ['control', 'preview-backend', 'constructor', `a${'b'.repeat(39)}`];
  edit((yaml) => {
    for (const name of names) {
      yaml.services[name] = {
        command: ['node', BACKEND],
        health: '/health',
        bake: { for: '0s' },
        maxReplicas: 1,
        route: { path: `/${name}` },
      };
    }
  });
  await turnout.up();
  for (const name of names) {
    await eventually(`${name} serves`, async () => {
      const answer = await call({ port: turnout.gatewayPort, method: 'GET', path: `/${name}` });
      return answer.headers['x-color'] === 'blue';
    });
  }
});

test('a secret that is cut, squeezed or quoted line by line is never written', async () => {
  const secret = `begin of the key\n${'0123456789 abcdef  ghij '.repeat(3)}\nlast line of the key`;
  const command = ['sh', '-c', '[ "$TURNOUT_RELEASE" = v1 ] || { echo "$SECRET"; exit 1; }; exec node "$BACKEND"'];
  turnout = await Turnout.start({
    service: { command, env: { SECRET: '${THE_SECRET}', BACKEND } },
    env: { THE_SECRET: secret },
  });
  const { code, stdout } = await turnout.cli('deploy', '--release', 'v2');
  expect(code).toBe(4);
  const written = [stdout, turnout.output, readFileSync(join(turnout.state, 'journal.jsonl'), 'utf8')].join('\n');
  for (const part of ['last line of the key', 'begin of the key', 'ghij 0123']) expect(written).not.toContain(part);
  expect(written).toContain('${THE_SECRET}');
});

test('many connections without a token neither stop the API nor harm a deployment', async () => {
  turnout = await Turnout.start();
  const idle = Array.from({ length: 200 }, () => connect(turnout.apiPort, '127.0.0.1').on('error', () => undefined));
  try {
    const load = startLoad({ origin: turnout.origin, connections: 4 });
    await eventually(
      'the API answers',
      async () => {
        const answer = await turnout.api('POST', '/v1/services/backend/deployments', { release: 'v2' }).catch(() => null);
        return answer?.status === 202;
      },
      20_000,
    );
    await turnout.untilLive('green');
    const report = await load.stop();
    expect(report.failed, JSON.stringify(report.failures)).toBe(0);
  } finally {
    for (const socket of idle) socket.destroy();
  }
});
