import { type Request, type Response, Router } from 'express';
import { TurnoutError } from '../errors.ts';
import type { Journal, Written } from '../store/journal.ts';

/** Milliseconds between two signs of life on a quiet stream, so that nobody in between takes it for dead. */
const HEARTBEAT = 15_000;
/** Milliseconds that a client waits before it comes again. */
const RETRY = 1000;
/** Bytes that a client may leave unread; more and it is let go: it comes again and is told what it missed. */
const UNREAD = 1024 * 1024;

/** What only matters inside. */
const PRIVATE = new Set(['intent', 'outcome']);

export type EventSource = Pick<Journal, 'onAppend' | 'after'>;

/**
 * `GET /v1/events`: everything that happens, as Server-Sent Events in the order of the journal, whose line numbers are the
 * ids. `Last-Event-ID` (or `?after=`) replays what came behind that line; without it the stream begins now.
 */
export function eventRoutes(journal: EventSource): Router {
  const router = Router();
  router.get('/', async (request, response) => {
    const after = lastSeen(request);
    const wanted = filterOf(request);
    // Listening first, reading then: what is written meanwhile is told once, by whichever has it.
    const meanwhile: Written[] = [];
    let tell = (line: Written): void => void meanwhile.push(line);
    const stop = journal.onAppend((line) => tell(line));
    response.once('close', stop);
    try {
      const missed = after === null ? [] : await journal.after(after);
      open(response);
      let last = 0;
      tell = (line) => {
        if (line.seq <= last) return;
        last = line.seq;
        if (PRIVATE.has(line.kind) || !wanted(line)) return;
        response.write(textOf(line));
        if (response.writableLength > UNREAD) response.destroy();
      };
      for (const line of [...missed, ...meanwhile]) tell(line);
    } catch (error) {
      stop();
      throw error;
    }
  });
  return router;
}

function open(response: Response): void {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // A proxy in between must not collect what is meant for now.
    'X-Accel-Buffering': 'no',
  });
  response.write(`retry: ${RETRY}\n\n`);
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT);
  response.once('close', () => clearInterval(heartbeat));
}

/** JSON has no line break in it, so one `data:` line holds it. */
function textOf(line: Written): string {
  const { v: _v, traffic: _traffic, ...event } = line as Written & { traffic?: unknown };
  return `id: ${line.seq}\nevent: ${line.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

function lastSeen(request: Request): number | null {
  const found = request.get('last-event-id') ?? request.query.after;
  if (found === undefined || found === '') return null;
  if (typeof found === 'string' && /^\d{1,15}$/.test(found)) return Number(found);
  throw new TurnoutError('usage', `Last-Event-ID is ${JSON.stringify(found)}, expected the id of an event: a whole number`);
}

/** `?service=` and `?deployment=` narrow the stream. */
function filterOf(request: Request): (line: Written) => boolean {
  const { service, deployment } = request.query;
  return (line) =>
    (service === undefined || line.service === service) &&
    (deployment === undefined || (line as { deployment?: string | null }).deployment === deployment);
}
