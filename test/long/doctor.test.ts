import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../sidecar/cli/doctor/finding.ts';
import { call } from '../support/http.ts';
import { bystander, eventually, freePort, isRunning } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

const SECRET = 'correct-horse-battery-staple';

/** What doctor says, by check. */
async function doctor(turnout: Turnout): Promise<{ code: number; said: Record<string, Finding>; bad: Finding[] }> {
  const { code, stdout, stderr } = await turnout.cli('doctor', '--json');
  expect(stdout, stderr).not.toBe('');
  const findings = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding);
  for (const finding of findings) {
    expect(Object.keys(finding)).toEqual(['check', 'result', 'found', 'remedy']);
    expect(finding.remedy === null, `${finding.check}: a remedy exactly when it is not ok`).toBe(finding.result === 'ok');
  }
  const bad = findings.filter(({ result }) => result !== 'ok');
  return { code, said: Object.fromEntries(findings.map((finding) => [finding.check, finding])), bad };
}

/** Every path of the folder with what would change if somebody wrote there; the sidecar must not run meanwhile. */
function tree(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort().map((path) => {
    const { mode, uid, size, mtimeMs, ino } = lstatSync(join(folder, path));
    return [path, mode, uid, size, mtimeMs, ino].join(' ');
  });
}

/** Another process that listens there. */
async function strangerOn(turnout: Turnout, port: number): Promise<ChildProcess> {
  const code = `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('ready'))`;
  const child = bystander([process.execPath, '-e', code], turnout.folder);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

describe('doctor, with a running instance', () => {
  let turnout: Turnout;

  beforeAll(async () => {
    turnout = await Turnout.start({ service: { env: { KEY: '${DOCTOR_SECRET}' } }, env: { DOCTOR_SECRET: SECRET } });
  });

  afterAll(async () => {
    await turnout?.destroy();
  });

  test('all is well: exit 0, every check ok, versions and owners named', async () => {
    const { code, said, bad } = await doctor(turnout);
    expect(bad, turnout.diagnosis()).toEqual([]);
    expect(code).toBe(0);
    expect(Object.keys(said)).toEqual(
      'node nginx config state disk gateway.listen api.listen slots sidecar token gateway routes clock ephemeral-ports open-files'.split(
        ' ',
      ),
    );
    expect(said.nginx?.found).toMatch(/nginx \d+\.\d+\.\d+ with njs \d+\.\d+/);
    expect(said.state?.found).toContain('mode 0700');
    expect(said['gateway.listen']?.found).toContain(`held by the gateway of this state folder (pid ${turnout.masterPid()})`);
    expect(said['api.listen']?.found).toContain(`held by the sidecar of this state folder (pid ${turnout.child?.pid})`);
    expect(said.slots?.found).toBe('4 ports, 1 held by replicas, the others free');
    expect(said.gateway?.found).toMatch(/Turnout \d.*master \d+, 2 workers; answers in [\d.]+ ms/);
    expect(said.routes?.found).toBe('backend: blue, generation 1, in force as in its file');
  });

  test('as a table, with nothing secret in it', async () => {
    const { code, stdout } = await turnout.cli('doctor');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^CHECK +RESULT +FOUND\nnode +ok +\d/);
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toContain(turnout.token());
  });

  test('a stranger on a slot, a readable token, an open folder, a stale route file, a journal from the future: all in one go', async () => {
    const slots = JSON.parse(readFileSync(join(turnout.state, 'slots.json'), 'utf8'));
    const port = slots.backend.green['2'] as number;
    const stranger = await strangerOn(turnout, port);
    const routes = join(turnout.state, 'gateway/routes/backend.json');
    const journal = join(turnout.state, 'journal.jsonl');
    const before = { route: readFileSync(routes), journal: readFileSync(journal) };
    try {
      chmodSync(join(turnout.state, 'token'), 0o644);
      chmodSync(join(turnout.state, 'gateway'), 0o755);
      writeFileSync(routes, before.route.toString().replace('"generation":1', '"generation":7'));
      await appendFile(journal, `{"v":1,"seq":999,"at":"${new Date(Date.now() + 3_600_000).toISOString()}"}\n`);
      const { code, said, bad } = await doctor(turnout);
      expect(code).toBe(8);
      expect(bad.map(({ check, result }) => `${check} ${result}`)).toEqual([
        'state fail',
        'slots fail',
        'token fail',
        'routes fail',
        'clock warn',
      ]);
      expect(said.state?.remedy).toBe(`chmod 700 ${turnout.state}/gateway`);
      expect(said.slots?.found).toContain(`127.0.0.1:${port}, slot 2 of green of backend,`);
      expect(said.slots?.found).toContain(`node (pid ${stranger.pid}, user `);
      expect(said.slots?.remedy).toContain('stop that process');
      expect(said.token?.remedy).toContain(`chmod 600 ${turnout.state}/token`);
      expect(said.routes?.found).toContain('generation 1 is in force');
      expect(said.routes?.found).toContain('holds generation 7');
      expect(said.clock?.found).toMatch(/newest line of the journal.* s in the future/);

      // The remedy is a line for a shell, and it helps.
      const line = said.routes?.remedy?.replace('write it again: ', '') ?? '';
      await new Promise((resolve) => spawn('sh', ['-c', line], { stdio: 'ignore' }).once('exit', resolve));
      chmodSync(join(turnout.state, 'token'), 0o600);
      chmodSync(join(turnout.state, 'gateway'), 0o700);
      writeFileSync(journal, before.journal);
      stranger.kill('SIGKILL');
      await eventually('the stranger has ended', () => !isRunning(stranger.pid as number));
      expect((await doctor(turnout)).bad).toEqual([]);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('an unset variable in this shell is a warning that names it, and hides nothing else', async () => {
    const yaml = readFileSync(turnout.file, 'utf8');
    try {
      await writeFile(turnout.file, yaml.replace('DOCTOR_SECRET', 'DOCTOR_SECRET_UNSET'));
      const { code, said, bad } = await doctor(turnout);
      expect(bad.map(({ check, result }) => `${check} ${result}`)).toEqual(['config warn']);
      expect(said.config?.found).toContain('the variable DOCTOR_SECRET_UNSET is not set');
      expect(code).toBe(0);
    } finally {
      await writeFile(turnout.file, yaml);
    }
  });

  test('a killed sidecar is named with its remedy, while traffic goes on; then nothing at all is changed by the look', async () => {
    const pid = turnout.child?.pid;
    await turnout.endSidecar('SIGKILL');
    const before = tree(turnout.folder);
    const { code, said, bad } = await doctor(turnout);
    expect(code).toBe(8);
    expect(bad.map(({ check, result }) => `${check} ${result}`)).toEqual(['sidecar fail']);
    expect(said.sidecar?.found).toContain(`process ${pid}, which began`);
    expect(said.sidecar?.remedy).toContain(`turnout up -f ${turnout.file}`);
    expect(said['api.listen']?.found).toContain('is free');
    expect((await call({ port: turnout.gatewayPort, method: 'GET', path: '/' })).status).toBe(200);
    expect((await turnout.cli('lint')).code).toBe(0);
    expect((await turnout.cli('render')).stdout).toContain(`${turnout.state}/gateway/control.sock`);
    expect(tree(turnout.folder)).toEqual(before);
  });

  test('a gateway whose master was killed: its workers are named; killed whole: it is told as dead', async () => {
    const master = turnout.masterPid();
    process.kill(master, 'SIGKILL');
    const orphaned = await doctor(turnout);
    expect(orphaned.code).toBe(8);
    expect(orphaned.said.gateway?.result).toBe('fail');
    expect(orphaned.said.gateway?.found).toMatch(/master .*dead, 2 workers still serve/);
    expect(orphaned.said.gateway?.remedy).toContain(`${turnout.state}/gateway/start`);
    process.kill(-master, 'SIGKILL');
    const dead = await eventually('no worker is left', async () => {
      const seen = await doctor(turnout);
      return seen.said.gateway?.found.includes('workers still serve') ? null : seen;
    });
    expect(dead.code).toBe(8);
    expect(dead.said.gateway?.result).toBe('fail');
    expect(dead.said.gateway?.found).toBe(`it does not run: its master (pid ${master}) was killed`);
    expect(dead.said.gateway?.remedy).toContain(`turnout up -f ${turnout.file}`);
    expect(dead.said.routes?.result).toBe('ok');
  });
});

describe('doctor, before anything runs', () => {
  let turnout: Turnout;

  afterEach(async () => {
    await turnout?.destroy();
  });

  test('no state folder: warnings that say how to start, exit 0, and still no folder', async () => {
    turnout = await Turnout.create();
    const before = tree(turnout.folder);
    const { code, said, bad } = await doctor(turnout);
    expect(code).toBe(0);
    expect(bad.map(({ check, result }) => `${check} ${result}`)).toEqual(['sidecar warn', 'gateway warn']);
    expect(said.sidecar?.remedy).toContain(`turnout up -f ${turnout.file}`);
    expect(said.state?.found).toContain(`can be made in ${turnout.folder}`);
    expect(said.slots?.found).toMatch(/^not given out yet: 4 are needed/);
    expect(tree(turnout.folder)).toEqual(before);
  });

  test('another process on gateway.listen is named, with its pid', async () => {
    const port = await freePort();
    turnout = await Turnout.create({ config: { gateway: { listen: `127.0.0.1:${port}` } } });
    const stranger = await strangerOn(turnout, port);
    const { code, said } = await doctor(turnout);
    expect(code).toBe(8);
    expect(said['gateway.listen']?.result).toBe('fail');
    expect(said['gateway.listen']?.found).toContain(`127.0.0.1:${port} is held by another process: node (pid ${stranger.pid},`);
    expect(said['gateway.listen']?.remedy).toContain('gateway.listen');
  });

  test('an address that this machine does not have is told as such', async () => {
    turnout = await Turnout.create({ config: { gateway: { listen: '203.0.113.7:8080' } } });
    const { code, said } = await doctor(turnout);
    expect(code).toBe(8);
    expect(said['gateway.listen']?.found).toContain('EADDRNOTAVAIL');
    expect(said['gateway.listen']?.remedy).toContain('ip addr');
  });

  test('a state folder that cannot be made, and one that nobody here can own, each fail with what to do', async () => {
    turnout = await Turnout.create();
    writeFileSync(turnout.state, 'in the way');
    const file = await doctor(turnout);
    expect(file.code).toBe(8);
    expect(file.said.state?.found).toContain('it is not a folder');
    expect(file.said.state?.remedy).toContain('`state`');
    await turnout.destroy();

    turnout = await Turnout.create();
    mkdirSync(turnout.state, { mode: 0o700 });
    const root = process.getuid?.() === 0;
    if (root) chownSync(turnout.state, 54_321, 54_321);
    else chmodSync(turnout.state, 0o500);
    const foreign = await doctor(turnout);
    expect(foreign.code).toBe(8);
    expect(foreign.said.state?.found).toContain(root ? 'belongs to 54321:54321' : 'cannot be written: EACCES');
    expect(foreign.said.state?.remedy).toMatch(/chown|chmod/);
  });

  test('a broken turnout.yaml: its lines are named, and what needs no configuration is looked at all the same', async () => {
    turnout = await Turnout.create();
    await writeFile(turnout.file, 'services:\n  backend:\n    comand: [node]\n    keep: 10 parsecs\n    health: /\n');
    const { code, said } = await doctor(turnout);
    expect(code).toBe(8);
    expect(said.config?.found).toContain('turnout.yaml:3:5: unknown key "comand"');
    expect(said.config?.found).toContain('turnout.yaml:4:11: found "10 parsecs"');
    expect(said.config?.remedy).toContain('turnout lint');
    expect(Object.keys(said)).toEqual(['node', 'nginx', 'config', 'clock', 'open-files']);
  });

  test('a variable that is not set fails while no sidecar runs that has it; the rest is looked at all the same', async () => {
    turnout = await Turnout.create({ service: { env: { KEY: '${DOCTOR_SECRET_UNSET}' } } });
    const { code, said } = await doctor(turnout);
    expect(code).toBe(8);
    expect(said.config?.result).toBe('fail');
    expect(said.config?.found).toContain('the variable DOCTOR_SECRET_UNSET is not set');
    expect(said.state?.result).toBe('ok');
  });

  test('no nginx: the ways that were tried and the ways out; the rest is looked at all the same', async () => {
    turnout = await Turnout.create({ env: { TURNOUT_NGINX: '/nonexistent/nginx' } });
    const { code, said } = await doctor(turnout);
    expect(code).toBe(8);
    expect(said.nginx?.result).toBe('fail');
    expect(said.nginx?.found).toContain('/nonexistent/nginx');
    expect(said.nginx?.remedy).toContain('TURNOUT_NGINX');
    expect(said.state?.result).toBe('ok');
    expect(existsSync(turnout.state)).toBe(false);
  });
});
