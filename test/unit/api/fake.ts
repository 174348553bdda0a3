import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach } from 'vitest';
import type { Color } from '../../../njs/route.ts';
import { createApp } from '../../../sidecar/api/app.ts';
import type { DeployRequest } from '../../../sidecar/deploy/commands.ts';
import type { Conductor } from '../../../sidecar/deploy/conductor.ts';
import { viewOf } from '../../../sidecar/deploy/view.ts';
import type { LogLine } from '../../../sidecar/monitor/log-stream.ts';
import type { MonitorReport } from '../../../sidecar/monitor/report.ts';
import type { JournalEvent } from '../../../sidecar/store/events.ts';
import type { Written } from '../../../sidecar/store/journal.ts';
import { observed, routeTo, seen } from '../../support/builders.ts';
import { deployment, record, written } from '../../support/builders-record.ts';
import { call, type HttpAnswer } from '../../support/http.ts';

export const TOKEN = 'the-token';

/** As much of a conductor as the API asks for; says what it was asked. */
export class FakeConductor {
  readonly asked: unknown[] = [];
  route: ReturnType<typeof routeTo> | 'unknown' = routeTo('blue');
  known = [deployment({ id: 'd1', phase: 'live' })];
  /** Whether its journal can be written. */
  durable = true;
  /** Thrown instead of doing anything. */
  trouble: Error | null = null;
  /** What a rollback comes to. */
  warm = true;
  noop = false;

  constructor(readonly name: string) {}

  /** Living ones of blue. */
  replicas = 0;

  async view() {
    const replicas = Array.from({ length: this.replicas }, (_, index) => seen({ slot: index + 1 }));
    return viewOf(this.name, observed({ route: this.route, replicas }), null, record({ deployments: this.known }));
  }

  readonly commands = {
    deploy: async (request: DeployRequest) => {
      this.note('deploy', request);
      const { release } = request;
      return { deployment: deployment({ release, id: 'd2', service: this.name }), noop: this.noop };
    },
    switchTo: async (color: 'blue' | 'green', options: { force: boolean; by: string }) => {
      this.note('switch', color, options);
      return routeTo(color);
    },
    rollback: async (by: string) => {
      this.note('rollback', by);
      return this.warm ? { route: routeTo('green') } : { deployment: deployment({ id: 'd3' }) };
    },
    promote: async (id: string, by: string) => this.told('promote', id, by),
    abort: async (id: string, by: string) => this.told('abort', id, by),
  };

  deployment(id: string) {
    return this.known.find((one) => one.id === id) ?? null;
  }

  deployments() {
    return this.known;
  }

  history() {
    return [{ kind: 'deployment', id: 'd1' }];
  }

  private told(verb: string, id: string, by: string) {
    this.note(verb, id, by);
    return this.deployment(id);
  }

  private note(...words: unknown[]): void {
    if (this.trouble) throw this.trouble;
    this.asked.push(words);
  }
}

/** A monitor that finds what the test says, and logs with the lines of the test. */
export class FakeMonitors {
  readonly asked: unknown[] = [];
  found: object = { verdict: { state: 'healthy' } };
  lines: LogLine[] = [];
  /** Set while somebody follows. */
  told: ((line: LogLine) => void) | null = null;

  of({ name }: { name: string }) {
    return {
      report: async (options: { smoke: boolean }) => {
        this.asked.push([name, options]);
        return this.found as MonitorReport;
      },
    };
  }

  logs({ name }: { name: string }) {
    return {
      tail: async (color: Color, lines: number, told: (line: LogLine) => void) => {
        this.asked.push([name, color, lines]);
        this.lines.forEach(told);
      },
      follow: async (color: Color, lines: number, told: (line: LogLine) => void, signal: AbortSignal) => {
        this.asked.push([name, color, lines, 'follow']);
        this.told = told;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        this.told = null;
      },
    };
  }
}

/** Lines that are written as the test says. */
export class FakeJournal {
  readonly lines: Written[] = [];
  private readonly listeners = new Set<(line: Written) => void>();
  /** Whether what lies there is read before `delay`, or after it. */
  readsEarly = false;
  delay: Promise<void> = Promise.resolve();

  get listening(): number {
    return this.listeners.size;
  }

  onAppend(listener: (line: Written) => void) {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  async after(seq: number) {
    const early = this.lines.filter((line) => line.seq > seq);
    await this.delay;
    return this.readsEarly ? early : this.lines.filter((line) => line.seq > seq);
  }

  write(event: JournalEvent): void {
    const line = written(event, 0, this.lines.length + 1);
    this.lines.push(line);
    for (const tell of [...this.listeners]) tell(line);
  }
}

export interface Api {
  backend: FakeConductor;
  journal: FakeJournal;
  monitors: FakeMonitors;
  /** `http://host:port` */
  origin: string;
  /** Log lines. */
  logged: string[];
  /** What a reload was asked with. */
  reloads: unknown[];
  /** One call with the token, unless the headers say otherwise; a body that is no text is sent as JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<HttpAnswer>;
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** The API of two services, `backend` and `frontend`, on a port of its own until the test ends. */
export async function startApi(): Promise<Api> {
  const backend = new FakeConductor('backend');
  const logged: string[] = [];
  const conductors = () => [backend, new FakeConductor('frontend')] as unknown as Conductor[];
  const reloads: unknown[] = [];
  const reload = async (options: { remove: boolean }) => {
    reloads.push(options);
    return { added: [] };
  };
  const journal = new FakeJournal();
  const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', scrape: async () => 'turnout_build_info 1\n' };
  const monitors = new FakeMonitors();
  const log = pino({}, { write: (line: string) => void logged.push(line) });
  const server = createServer(createApp({ conductors, reload, journal, metrics, monitors, token: TOKEN, log }));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ask: Api['ask'] = (method, path, body, headers = { authorization: `Bearer ${TOKEN}` }) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return call({ port, method, path, headers, ...(text === undefined ? {} : { body: text }) });
  };
  return { backend, journal, monitors, origin: `http://127.0.0.1:${port}`, logged, reloads, ask };
}

/** The problem that an answer is, in short; throws when it does not have the shape of one. */
export function problemOf({ status, headers, body }: HttpAnswer) {
  const problem = JSON.parse(body) as Record<string, string | number>;
  const keys = Object.keys(problem).sort().join();
  if (!headers['content-type']?.startsWith('application/problem+json'))
    throw new Error(`${headers['content-type']} is no problem`);
  if (keys !== 'code,detail,hint,status,title,type') throw new Error(`a problem has no ${keys}`);
  if (problem.status !== status || problem.type !== `urn:turnout:error:${problem.code}`) throw new Error(`${body} is odd`);
  return { status, code: problem.code, detail: problem.detail };
}
