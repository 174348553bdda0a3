/** The internal API: read, change and switch routes; read traffic. JSON; docs/control-api.md lists the calls. */
import fs from 'fs';
import { type Answer, problem, routeAnswer } from './answer.ts';
import { change, switchTo } from './change.ts';
import { readTraffic, readTraffics } from './counters.ts';
import { type Guard, guardProblem } from './guard.ts';
import { forgetGuard, readGuard, writeGuard } from './guards.ts';
import { isWorker, locked } from './lock.ts';
import { isColor, type Route } from './route.ts';
import { forgetRoute, readRoute, writeRoute } from './store.ts';

async function control(r: NginxHTTPRequest): Promise<void> {
  let answer: Answer;
  try {
    answer = await respond(r);
  } catch (error) {
    r.error(`${(error as Error).stack}`);
    answer = problem(
      500,
      'internal',
      `the control API failed: ${(error as Error).message}`,
      'Please report it with the error log.',
    );
  }
  r.headersOut['Content-Type'] = answer.status < 400 ? 'application/json' : 'application/problem+json';
  if (answer.etag !== undefined) r.headersOut.ETag = `"${answer.etag}"`;
  if (answer.allow) r.headersOut.Allow = answer.allow;
  r.return(answer.status, `${JSON.stringify(answer.body)}\n`);
}

async function respond(r: NginxHTTPRequest): Promise<Answer> {
  const path = r.uri.split('/');
  const noun = path[2];
  const service = path[3];
  const verb = path[4];
  const argument = path[5];
  if (path[1] !== 'v1' || path.length > 6) return nothingHere(r);
  if (noun === 'health' && service === undefined) return only(r, 'GET') || health();
  if (noun === 'routes' && service === undefined) return only(r, 'GET') || routes();
  if (noun === 'traffic' && service === undefined) return only(r, 'GET') || traffics(r);
  if (service === undefined || !(noun === 'routes' || noun === 'traffic' || noun === 'guards')) return nothingHere(r);
  // Of a service that was removed from turnout.yaml, only the route can still be forgotten.
  if (noun === 'routes' && verb === undefined && r.method === 'DELETE') return forget(r, service);
  if (!turnout_gateway.services[service]) return unknownService(service);
  if (noun === 'traffic') return verb !== undefined ? nothingHere(r) : only(r, 'GET') || traffic(r, service);
  if (noun === 'guards') return verb !== undefined ? nothingHere(r) : guard(r, service);
  if (verb === undefined) return r.method === 'PUT' ? put(r, service) : only(r, 'GET', 'GET, PUT') || route(service);
  if (verb === 'switch' && argument !== undefined) return only(r, 'POST') || flip(r, service, argument);
  return nothingHere(r);
}

function health(): Answer {
  const versions = { nginx: ngx.version, njs: njs.version, turnout: TURNOUT_VERSION };
  return {
    status: 200,
    body: { status: 'healthy', versions, worker: process.pid, configuration: turnout_installed.configuration },
  };
}

function routes(): Answer {
  const all = Object.keys(turnout_gateway.services).map(readRoute);
  return { status: 200, body: { routes: all.filter((found) => found !== null) } };
}

function route(service: string): Answer {
  const found = readRoute(service);
  return found ? routeAnswer(found) : noRoute(service);
}

async function put(r: NginxHTTPRequest, service: string): Promise<Answer> {
  let wanted: unknown;
  try {
    wanted = JSON.parse(r.requestText || '');
  } catch (error) {
    return problem(
      400,
      'invalid-body',
      `the body is not JSON: ${(error as Error).message}`,
      'Send the whole route as a JSON object.',
    );
  }
  return exclusively(r, service, (current) => change(service, current, wanted, r.headersIn['If-Match'], changedBy(r), now()));
}

async function forget(r: NginxHTTPRequest, service: string): Promise<Answer> {
  if (turnout_gateway.services[service]) {
    return problem(
      409,
      'service-serves',
      `${service} is in turnout.yaml`,
      'Remove it there and reload; its route is forgotten then.',
    );
  }
  if (!/^[a-z][a-z0-9-]*$/.test(service)) return unknownService(service);
  const done = await withLock(r, service, () => {
    forgetRoute(service);
    forgetGuard(service);
    return { status: 200, body: { service, forgotten: true } };
  });
  return done || busy(`the lock of ${service}`);
}

async function flip(r: NginxHTTPRequest, service: string, color: string): Promise<Answer> {
  if (!isColor(color))
    return problem(
      400,
      'invalid-color',
      `"${color}" is not a color, expected blue or green`,
      'POST /v1/routes/{service}/switch/blue',
    );
  return exclusively(r, service, (current) =>
    current ? switchTo(current, color, r.headersIn['If-Match'], force(r), changedBy(r), now()) : noRoute(service),
  );
}

/** Decides and writes while nobody else does. The decision is pure: a route to write, or the answer. */
async function exclusively(
  r: NginxHTTPRequest,
  service: string,
  decide: (current: Route | null) => Route | Answer,
): Promise<Answer> {
  const answer = await withLock(r, service, () => {
    const decision = decide(readRoute(service));
    if ('status' in decision) return decision;
    let persisted = false;
    try {
      persisted = writeRoute(decision, force(r));
      if (persisted) return routeAnswer(decision);
    } catch (error) {
      return problem(
        507,
        'not-persisted',
        `the shared memory took no change: ${(error as Error).message}`,
        'Nothing was changed. Enlarge the zone turnout_routes.',
      );
    }
    if (!force(r))
      return problem(
        507,
        'not-persisted',
        `${turnout_gateway.routes}${service}.json cannot be written`,
        'Nothing was changed. Free space or mend the rights; ?force=1 switches in memory alone.',
      );
    return { status: 200, etag: decision.generation, body: Object.assign({}, decision, { persisted: false }) };
  });
  return answer || busy(`the lock of ${service}`);
}

async function traffic(r: NginxHTTPRequest, service: string): Promise<Answer> {
  const found = await withLock(r, 'traffic', () => readTraffic(service));
  return found ? { status: 200, body: found } : busy('the lock of the counters');
}

async function traffics(r: NginxHTTPRequest): Promise<Answer> {
  const found = await withLock(r, 'traffic', () => readTraffics(Object.keys(turnout_gateway.services)));
  return found ? { status: 200, body: { traffic: found } } : busy('the lock of the counters');
}

/** Read, armed, or taken away; see guard.ts. */
function guard(r: NginxHTTPRequest, service: string): Answer {
  if (r.method === 'DELETE') {
    forgetGuard(service);
    return { status: 200, body: { service, guard: null } };
  }
  if (r.method === 'PUT') {
    const wanted = parsed(r);
    const reason = wanted === undefined ? 'the body is not JSON' : guardProblem(wanted);
    if (reason) return problem(400, 'invalid-body', reason, 'Nothing was changed.');
    const present = readGuard(service);
    // Whoever arms it again has not seen yet that it has fired: its numbers stay until it is taken away.
    const told = present?.fired && present.deployment === (wanted as Guard).deployment;
    if (!told) writeGuard(Object.assign({}, wanted as Guard, { service, fired: null }));
  } else if (r.method !== 'GET') return only(r, 'GET', 'GET, PUT, DELETE') as Answer;
  return { status: 200, body: { service, guard: readGuard(service) } };
}

function parsed(r: NginxHTTPRequest): unknown {
  try {
    return JSON.parse(r.requestText || '');
  } catch (_) {
    return undefined;
  }
}

function busy(what: string): Answer {
  const hint = 'A worker hangs while it holds the lock; restart the gateway.';
  return problem(503, 'locked', `${what} was not free within 2 s`, hint);
}

function withLock<T>(r: NginxHTTPRequest, name: string, critical: () => T): Promise<T | undefined> {
  const zone = ngx.shared.turnout_routes as NgxSharedDict<string>;
  return locked(zone, name, `${process.pid}.${r.variables.request_id}`, (pid) => isWorker(fs, pid), critical);
}

const now = () => new Date().toISOString();
const force = (r: NginxHTTPRequest) => r.args.force === '1';
const changedBy = (r: NginxHTTPRequest) => r.headersIn['X-Turnout-By'] || 'control-api';

function only(r: NginxHTTPRequest, method: string, allow?: string): Answer | null {
  if (r.method === method) return null;
  const allowed = allow || method;
  const found = problem(
    405,
    'method-not-allowed',
    `${r.method} ${r.uri} does not exist, expected ${allowed}`,
    'See docs/control-api.md.',
  );
  return Object.assign(found, { allow: allowed });
}

function nothingHere(r: NginxHTTPRequest): Answer {
  return problem(
    404,
    'not-found',
    `there is nothing at ${r.uri}`,
    'The calls are /v1/routes, /v1/traffic, /v1/guards and /v1/health.',
  );
}

function unknownService(service: string): Answer {
  const known = Object.keys(turnout_gateway.services).join(', ');
  return problem(
    404,
    'unknown-service',
    `there is no service "${service}", expected one of: ${known}`,
    'Services are declared in turnout.yaml.',
  );
}

function noRoute(service: string): Answer {
  const found = problem(
    404,
    'no-route',
    `${service} has no route yet: nothing was ever switched live`,
    'Deploy a release, or PUT a route with If-Match: "0".',
  );
  return Object.assign(found, { etag: 0 });
}

export default control;
