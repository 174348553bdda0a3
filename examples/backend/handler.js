import { echo } from './echo.js';
import { evenSpread } from './faults.js';
import { readHealth } from './health.js';
import { later } from './reply.js';

const LONGEST_MS = 600_000;
const READING = ['GET', 'HEAD'];

/** The request handler: one look-up by path, one by method, and nothing else on the way of a plain request. */
export function createHandler({ identity, faults, dependencies, replies, streams }) {
  const { service, color, release, slot, pid } = identity;
  const greeting = `${JSON.stringify({ message: `Hello from ${service}`, service, color, release, slot, pid })}\n`;
  const greetingHeaders = replies.jsonHeaders(greeting);

  const routes = new Map([
    ['/', { methods: READING, answer: (_req, res) => replies.send(res, 200, greetingHeaders, greeting) }],
    ['/health', { methods: READING, answer: answerHealth }],
    ['/echo', { methods: ['POST'], answer: (req, res) => echo(req, res, replies) }],
    // POST as well, so that a test can have a write in flight for as long as it likes.
    ['/slow', { methods: [...READING, 'POST'], answer: answerSlow }],
    ['/stream', { methods: READING, answer: answerStream }],
    ['/ws', { methods: READING, answer: answerNoUpgrade }],
  ]);

  async function answerHealth(_req, res) {
    const health = await readHealth(identity, faults, dependencies);
    replies.json(res, health.status === 'healthy' ? 200 : 503, health, 'cache-control', 'no-store');
  }

  function answerSlow(req, res) {
    const ms = wholeNumber(queryOf(req).get('ms'), 0, LONGEST_MS);
    if (ms === null) refuse(res, `ms: expected a whole number from 0 to ${LONGEST_MS}`);
    else later(res, ms, () => replies.json(res, 200, { waited_ms: ms, release, color }));
  }

  function answerStream(req, res) {
    const query = queryOf(req);
    const ms = query.has('ms') ? wholeNumber(query.get('ms'), 1, LONGEST_MS) : 1000;
    const count = query.has('count') ? wholeNumber(query.get('count'), 1, Number.MAX_SAFE_INTEGER) : Infinity;
    if (ms === null) refuse(res, `ms: expected a whole number from 1 to ${LONGEST_MS}`);
    else if (count === null) refuse(res, 'count: expected a whole number from 1');
    else streams.open(req, res, ms, count);
  }

  function answerNoUpgrade(_req, res) {
    replies.json(res, 426, { error: 'this is a WebSocket' }, 'upgrade', 'websocket', 'connection', 'upgrade, close');
  }

  function refuse(res, error) {
    replies.json(res, 400, { error });
  }

  return (req, res) => {
    const route = routes.get(pathOf(req));
    if (route === undefined) replies.json(res, 404, { error: 'not found', path: pathOf(req) });
    else if (route.methods.includes(req.method)) route.answer(req, res);
    else replies.json(res, 405, { error: 'method not allowed' }, 'allow', route.methods.join(', '));
  };
}

/**
 * Puts the slow and the failing answers in front of `handler`. A release without these faults gets `handler` itself, so
 * that they cost nothing. Health is spared: it has a fault of its own.
 */
export function withFaults(handler, { slowMs, errorShare }, replies) {
  if (slowMs === 0 && errorShare === 0) return handler;
  const fails = evenSpread(errorShare);
  return (req, res) => {
    if (pathOf(req) === '/health') {
      handler(req, res);
      return;
    }
    const act = fails() ? () => replies.json(res, 500, { error: 'fault: failing as told' }) : () => handler(req, res);
    if (slowMs > 0) later(res, slowMs, act);
    else act();
  };
}

export function pathOf(req) {
  const end = req.url.indexOf('?');
  return end === -1 ? req.url : req.url.slice(0, end);
}

function queryOf(req) {
  const start = req.url.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : req.url.slice(start + 1));
}

function wholeNumber(text, least, most) {
  const value = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : null;
}
