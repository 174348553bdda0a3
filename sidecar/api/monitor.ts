import { type Response, Router } from 'express';
import { COLORS, type Color, isColor } from '../../njs/route.ts';
import type { Conductor } from '../deploy/conductor.ts';
import { TurnoutError } from '../errors.ts';
import type { LogLine, LogStream } from '../monitor/log-stream.ts';
import type { MonitorReport } from '../monitor/report.ts';
import { conductorNamed } from './services.ts';

/** Lines of each replica: unless somebody says how many, and at most. */
const TAIL = 100;
const LONGEST_TAIL = 10_000;
/** Bytes that a reader may leave unread; of more, lines are left out and the reader is told how many. */
const UNREAD = 1024 * 1024;

export interface MonitorSource {
  of(conductor: Conductor): { report(options: { smoke: boolean }): Promise<MonitorReport> };
  logs(conductor: Conductor): Pick<LogStream, 'tail' | 'follow'>;
}

/** `GET /v1/services/{s}/monitor` and `GET /v1/services/{s}/logs`. */
export function monitorRoutes(conductors: () => Conductor[], monitors: MonitorSource): Router {
  const router = Router();
  router.get('/:service/monitor', async (request, response) => {
    const conductor = conductorNamed(conductors(), request.params.service);
    response.json(await monitors.of(conductor).report({ smoke: flag('smoke', request.query.smoke) }));
  });
  router.get('/:service/logs', async (request, response) => {
    const conductor = conductorNamed(conductors(), request.params.service);
    const { query } = request;
    const lines = tailOf(query.tail);
    const follow = flag('follow', query.follow);
    const json = flag('json', query.json);
    const { color, several } = await chosen(conductor, query.color);
    const logs = monitors.logs(conductor);
    if (follow) {
      const writer = new Writer(response, json, several);
      writer.open();
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      await logs.follow(color, lines, (line) => writer.write(line), gone.signal);
      response.end();
      return;
    }
    const told: LogLine[] = [];
    await logs.tail(color, lines, (line) => told.push(line));
    const writer = new Writer(response, json, several);
    writer.open();
    for (const line of told) writer.write(line);
    response.end();
  });
  return router;
}

/** Writes lines to one reader, as text or as JSON. */
class Writer {
  private leftOut = 0;

  constructor(
    private readonly response: Response,
    private readonly json: boolean,
    /** Whether a line has to say which replica wrote it. */
    private readonly several: boolean,
  ) {}

  open(): void {
    const type = this.json ? 'application/x-ndjson' : 'text/plain';
    // A proxy in between must not collect what is meant for now.
    this.response.writeHead(200, {
      'Content-Type': `${type}; charset=utf-8`,
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    });
    this.response.flushHeaders();
  }

  write(line: LogLine): void {
    if (this.response.writableLength > UNREAD) {
      this.leftOut += 1;
      return;
    }
    if (this.leftOut > 0) this.put({ ...line, line: `[turnout] ${this.leftOut} lines are left out: they were not read in time` });
    this.leftOut = 0;
    this.put(line);
  }

  private put({ color, slot, line }: LogLine): void {
    const text = this.json ? JSON.stringify({ slot, color, line }) : this.several ? `${color}-${slot} | ${line}` : line;
    this.response.write(`${text}\n`);
  }
}

/** The color that is asked for; else the one that serves; else one that runs. */
async function chosen(conductor: Conductor, wanted: unknown): Promise<{ color: Color; several: boolean }> {
  const { active, colors } = await conductor.view();
  const color =
    wanted === undefined || wanted === '' ? (active ?? COLORS.find((one) => colors[one].replicas.length > 0)) : wanted;
  if (color === undefined) throw new TurnoutError('no-route', `nothing of ${conductor.name} runs, so there is no log`);
  if (!isColor(color)) throw new TurnoutError('invalid-color', `found ${JSON.stringify(color)}, expected "blue" or "green"`);
  return { color, several: colors[color].replicas.length > 1 };
}

function flag(name: string, given: unknown): boolean {
  if (given === undefined || given === '' || given === '0' || given === 'false') return false;
  if (given === '1' || given === 'true') return true;
  throw new TurnoutError('usage', `${name} is ${JSON.stringify(given)}, expected 1 or 0`);
}

function tailOf(given: unknown): number {
  if (given === undefined) return TAIL;
  const lines = typeof given === 'string' && /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (lines <= LONGEST_TAIL) return lines;
  throw new TurnoutError('usage', `tail is ${JSON.stringify(given)}, expected a whole number from 0 to ${LONGEST_TAIL}`);
}
