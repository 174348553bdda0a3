import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { judge } from '../../../sidecar/monitor/judge.ts';
import type { Looked } from '../../../sidecar/monitor/report.ts';
import { eventually } from '../../support/processes.ts';
import { ROOT, Turnout } from '../../support/turnout.ts';
import { color, looked, rates, replica, traffic } from '../monitor/looked.ts';

let turnout: Turnout;
let sidecar: Server | undefined;
/** Paths that were asked for. */
let asked: string[];
let given: Looked;

beforeEach(async () => {
  turnout = await Turnout.create();
  asked = [];
  given = looked();
});

afterEach(async () => {
  sidecar?.closeAllConnections();
  sidecar?.close();
  sidecar = undefined;
  await turnout.destroy();
});

/** Answers as a sidecar would. */
async function startSidecar(): Promise<void> {
  mkdirSync(turnout.state);
  writeFileSync(join(turnout.state, 'token'), 'token');
  sidecar = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.includes('/logs')) {
      response.end('one\ntwo\n');
      return;
    }
    response.end(JSON.stringify({ ...given, ...judge(given) }));
  });
  await new Promise<void>((resolve) => sidecar?.listen(turnout.apiPort, '127.0.0.1', resolve));
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);
const dead = { replicas: [replica({ state: 'dead', detail: 'exited with code 1' })] };
const sick = { replicas: [replica(), replica({ slot: 2, state: 'unhealthy', detail: 'answered 503' })] };
const away = { answers: false, detail: 'away' };

describe('monitor: the exit code tells the verdict, and so does the last line', () => {
  test.each<[string, number, Partial<Looked>, string]>([
    ['healthy', 0, {}, 'healthy: green serves v2'],
    ['degraded', 10, { colors: [color(sick)] }, 'degraded (replica-unhealthy): green-2 is unhealthy (answered 503); 1 of 2'],
    ['unhealthy', 11, { colors: [color(dead)] }, 'unhealthy (no-healthy-replica): green has no healthy replica'],
    ['unknown', 12, { gateway: away, runtime: away, active: null, colors: [] }, 'unknown (nothing-seen): neither'],
  ])('%s: %i', async (state, exit, parts, line) => {
    await startSidecar();
    given = looked(parts);
    const { code, stdout, stderr } = await turnout.cli('monitor');
    expect(code, stderr).toBe(exit);
    expect(lastLine(stdout)?.startsWith(line), stdout).toBe(true);
    const json = await turnout.cli('monitor', '--json');
    expect([json.code, JSON.parse(json.stdout).verdict.state]).toEqual([exit, state]);
  });

  test('the table has the traffic, the replicas and what else is wrong', async () => {
    await startSidecar();
    const lastMinute = rates({ requests: 6000, perSecond: 100, failed: 3, failedShare: 0.0005, p50: 5, p95: 10, p99: null });
    const busy = traffic({ inFlight: 4, lastMinute, sinceSwitch: { ...lastMinute, seconds: 3600, requests: 90_000 } });
    const bad = replica({ slot: 2, state: 'dead', errors: { total: 70, recent: 9, last: 'ERROR no' } });
    given = looked({ colors: [color({ traffic: busy, replicas: [replica(), bad] })] });
    const { stdout } = await turnout.cli('monitor', '--smoke');
    expect(asked).toEqual(['/v1/services/backend/monitor?smoke=1']);
    expect(stdout).toMatch(/green +v2 +100 % +60 s +6000 +100 +3 \(0.05 %\) +0 +5 ms +10 ms +> 10 s +4\n/);
    expect(stdout).toMatch(/ 1h +90000 /);
    expect(stdout).toMatch(
      /green-1 +127.0.0.1:20001 +healthy +100 % +0 +0.10 of 0.5 \(20 %\) +50.0 MiB of 100.0 MiB \(50 %\) +0 \(0 in/,
    );
    expect(stdout).toMatch(/green-2 wrote: ERROR no/);
    expect(stdout).toMatch(/also degraded \(log-errors\): green-2 wrote 9 error lines/);
  });

  test('-w goes on until Ctrl-C, and ends with the code of the last verdict', async () => {
    await startSidecar();
    const words = [join(ROOT, 'build/turnout.js'), 'monitor', '-f', turnout.file, '-w'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (text: Buffer) => {
      out += text.toString();
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await eventually('it shows the first', () => out.includes('healthy: green'));
    given = looked({ colors: [color(dead)] });
    await eventually('it shows the next', () => out.includes('unhealthy (no-healthy-replica)'));
    child.kill('SIGINT');
    expect(await ended).toBe(11);
  });
});

describe('monitor without a sidecar: 12, and why', () => {
  test('when none was ever started', async () => {
    const { code, stdout, stderr } = await turnout.cli('monitor');
    expect(code).toBe(12);
    expect(stderr).toMatch(/^turnout: there is no token in .*no sidecar was ever started.*\nStart it with `turnout up`\.\n$/);
    expect(stdout).toMatch(
      /^backend: unknown \(sidecar-unreachable\): there is no token|^unknown \(sidecar-unreachable\): there is no token/,
    );
  });

  test('when it has died, also as JSON', async () => {
    mkdirSync(turnout.state);
    writeFileSync(join(turnout.state, 'token'), 'token');
    const { code, stdout, stderr } = await turnout.cli('monitor', 'backend', '--json');
    expect(code).toBe(12);
    expect(stderr).toMatch(/does not answer: ECONNREFUSED/);
    expect(JSON.parse(stdout)).toMatchObject({
      service: 'backend',
      verdict: { state: 'unknown', reason: 'sidecar-unreachable' },
    });
  });

  test('a file or a word that is wrong is no news of the service', async () => {
    await startSidecar();
    expect((await turnout.cli('monitor', 'other')).code).toBe(2);
    writeFileSync(turnout.file, 'services: {}\n');
    expect((await turnout.cli('monitor')).code).toBe(3);
  });
});

describe('logs', () => {
  test.each<[string[], string]>([
    [[], '/v1/services/backend/logs'],
    [['green'], '/v1/services/backend/logs?color=green'],
    [['backend', 'blue', '--tail', '5'], '/v1/services/backend/logs?color=blue&tail=5'],
    [['backend', '--follow', '--json'], '/v1/services/backend/logs?follow=1&json=1'],
  ])('%j asks for %s and prints what comes', async (words, path) => {
    await startSidecar();
    const { code, stdout } = await turnout.cli('logs', ...words);
    expect([code, stdout, asked]).toEqual([0, 'one\ntwo\n', [path]]);
  });

  test('words that make no sense are exit 2, and no sidecar is exit 8', async () => {
    expect((await turnout.cli('logs')).code).toBe(8);
    await startSidecar();
    expect((await turnout.cli('logs', 'other')).code).toBe(2);
    expect((await turnout.cli('logs', 'backend', 'red')).code).toBe(2);
  });
});
