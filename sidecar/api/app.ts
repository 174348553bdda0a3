import type { RequestListener } from 'node:http';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import type { Conductor } from '../deploy/conductor.ts';
import { TurnoutError } from '../errors.ts';
import type { Log } from '../log.ts';
import { readBody, reloadBody } from './body.ts';
import { deploymentRoutes } from './deployments.ts';
import { type EventSource, eventRoutes } from './events.ts';
import { type MonitorSource, monitorRoutes } from './monitor.ts';
import { serviceRoutes } from './services.ts';
import { sameToken } from './token.ts';

/** What Prometheus is told. */
export interface MetricsSource {
  readonly contentType: string;
  scrape(): Promise<string>;
}

export interface ApiParts {
  /** Those there are now: a reload adds and removes some. */
  conductors: () => Conductor[];
  /** Reads turnout.yaml again; see main.ts. */
  reload: (options: { remove: boolean }) => Promise<object>;
  journal: EventSource;
  metrics: MetricsSource;
  monitors: MonitorSource;
  token: string;
  log: Log;
}

/** The sidecar's API: JSON in, JSON or problem+json out; a token for everything but the two probes and the metrics. */
export function createApp({ conductors, reload, journal, metrics, monitors, token, log }: ApiParts): RequestListener {
  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  app.get('/readyz', async (_request, response) => {
    const views = await Promise.all(conductors().map((conductor) => conductor.view()));
    const unreachable = views.filter((view) => view.gateway === 'unreachable').map((view) => view.name);
    const undurable = conductors()
      .filter((conductor) => !conductor.durable)
      .map((conductor) => conductor.name);
    if (unreachable.length > 0) response.status(503).json({ status: 'the gateway does not answer', services: unreachable });
    else if (undurable.length > 0) response.status(503).json({ status: 'the journal cannot be written', services: undurable });
    else response.json({ status: 'ready' });
  });
  app.get('/metrics', async (_request, response) => {
    response.set('Content-Type', metrics.contentType).send(await metrics.scrape());
  });
  app.use(authenticate(token));
  app.use(express.json({ limit: '64kb', type: () => true }));
  app.use('/v1/services', serviceRoutes(conductors));
  app.use('/v1/services', monitorRoutes(conductors, monitors));
  app.use('/v1/deployments', deploymentRoutes(conductors));
  app.use('/v1/events', eventRoutes(journal));
  app.post('/v1/reload', async (request, response) => {
    response.json(await reload(readBody(reloadBody, request.body)));
  });
  app.use((request) => {
    throw new TurnoutError('not-found', `there is nothing at ${request.method} ${request.path}`);
  });
  app.use(renderError(log));
  return app;
}

function authenticate(token: string): RequestHandler {
  return (request, response, next) => {
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && sameToken(given, token)) return next();
    response.set('WWW-Authenticate', 'Bearer');
    const found =
      request.headers.authorization === undefined
        ? 'there is no Authorization header'
        : 'the token in the Authorization header is wrong';
    throw new TurnoutError('unauthorized', `${found}, expected \`Bearer <token>\``);
  };
}

/** The only place that answers with an error. */
function renderError(log: Log): ErrorRequestHandler {
  return (thrown, _request, response, _next) => {
    const error = bodyError(thrown) ?? TurnoutError.from(thrown);
    const problem = error.toProblem();
    if (problem.status >= 500) log.error({ code: error.code, error: error.message }, 'request failed');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
}

/** What express' own body parser throws. */
function bodyError(thrown: { type?: string; message?: string }): TurnoutError | null {
  if (thrown.type === 'entity.too.large') return new TurnoutError('body-too-large', 'the body is larger than 64 KiB');
  if (thrown.type?.startsWith('entity.') || thrown.type?.startsWith('encoding.') || thrown.type === 'charset.unsupported') {
    return new TurnoutError('invalid-body', `the body is not valid JSON: ${thrown.message}`);
  }
  const { status } = thrown as { status?: number };
  if (!(thrown instanceof TurnoutError) && status !== undefined && status >= 400 && status < 500) {
    return new TurnoutError(
      thrown instanceof URIError ? 'not-found' : 'invalid-body',
      `the request is not understood: ${thrown.message}`,
    );
  }
  return null;
}
