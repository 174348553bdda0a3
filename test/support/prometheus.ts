import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { call } from './http.ts';
import { eventually, freePort, tokenVariable } from './processes.ts';

const PROMETHEUS = '/usr/bin/prometheus';
const PROMTOOL = '/usr/bin/promtool';

/** Debian's package prometheus is there. */
export function hasPrometheus(): boolean {
  try {
    for (const path of [PROMETHEUS, PROMTOOL]) accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * `test` for what needs Prometheus. On a machine that lacks it, it is left out, with a line on stderr that says so; in CI
 * (`CI=true`) that is a failure.
 */
export function testWithPrometheus(title: string, options: { timeout?: number }, body: () => Promise<void>): void {
  if (hasPrometheus()) {
    test(title, options, body);
    return;
  }
  const missing = `${title}: needs Debian's package prometheus; .ci/packages installs it`;
  if (process.env.CI === 'true') {
    test(title, () => {
      throw new Error(missing);
    });
    return;
  }
  process.stderr.write(`left out: ${missing}\n`);
  test.skip(title, () => undefined);
}

/** Runs promtool; answers its exit code and everything that it said. */
export function promtool(words: string[], input = ''): Promise<{ code: number; said: string }> {
  return new Promise((resolve) => {
    const running = execFile(PROMTOOL, words, { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, said: `${stdout}${stderr}` });
    });
    running.stdin?.end(input);
  });
}

export interface Dashboard {
  panels: { title: string; type: string; targets?: { expr: string }[] }[];
  annotations: { list: { name: string; expr?: string }[] };
  templating: { list: { name: string }[] };
  schemaVersion: number;
}

export function dashboard(): Dashboard {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/metrics/dashboard.json'), 'utf8')) as Dashboard;
}

/** Every query of the dashboard, of its annotations too, as Grafana would send it: all services, over so long. */
export function dashboardQueries(range = '5m', interval = '15s'): { title: string; query: string }[] {
  const { panels, annotations } = dashboard();
  const all = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, query: expr }))),
    ...annotations.list.flatMap(({ name, expr }) => (expr === undefined ? [] : [{ title: name, query: expr }])),
  ];
  const filled = { service: '.*', __range: range, __rate_interval: interval };
  const fill = (text: string) => Object.entries(filled).reduce((done, [name, value]) => done.replaceAll(`$${name}`, value), text);
  return all.map(({ title, query }) => ({ title, query: fill(query) }));
}

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** A Prometheus server that scrapes one address every second, in a folder of a test. */
export class Prometheus {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {}

  static async start(folder: string, target: string): Promise<Prometheus> {
    const port = await freePort();
    const home = join(folder, 'prometheus');
    await mkdir(home);
    const rules = join(import.meta.dirname, '../../docs/metrics/alerts.yaml');
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'turnout', static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    await writeFile(join(home, 'prometheus.yml'), JSON.stringify(config));
    const words = [
      `--config.file=${join(home, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(home, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ];
    const env = { ...process.env, ...tokenVariable(folder) };
    const child = spawn(PROMETHEUS, words, { cwd: home, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const made = new Prometheus(child, port);
    await eventually(
      'Prometheus is ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}:\n${said}`);
        return (await call({ port, method: 'GET', path: '/-/ready' }).catch(() => null))?.status === 200;
      },
      30_000,
    );
    return made;
  }

  /** The samples that a query comes to now; throws with Prometheus' words when it is wrong. */
  async query(query: string): Promise<Sample[]> {
    const { body } = await call({ port: this.port, method: 'GET', path: `/api/v1/query?query=${encodeURIComponent(query)}` });
    const answer = JSON.parse(body) as { status: string; error?: string; data?: { result: Sample[] } };
    if (answer.status !== 'success' || !answer.data) throw new Error(`${query}: ${answer.error ?? body}`);
    return answer.data.result;
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const forced = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(forced);
  }
}
