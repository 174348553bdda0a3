import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { otherColor } from '../../njs/route.ts';
import { eventually } from '../support/processes.ts';
import { BACKEND, Turnout } from '../support/turnout.ts';
import { type Contender, plainNginx } from './contenders.ts';
import { family, memory } from './cpu.ts';
import { keep } from './results.ts';

const STREAMS = 5000;
const FLIPS = 100;
/** Of memory, Turnout / plain nginx. */
const LIMIT = 2;
/** Each stream gets an event so often, in ms. */
const INTERVAL = 2000;

export interface Held {
  streams: number;
  flips: number;
  /** Streams that ended before the end. */
  cut: number;
  /** Bytes: at rest, and for each stream. */
  plain: { rest: number; stream: number };
  turnout: { rest: number; stream: number };
}

let turnout: Turnout;
let plain: Contender | undefined;

afterEach(async () => {
  await plain?.stop();
  await turnout?.destroy();
});

test(`${STREAMS} event streams live through ${FLIPS} flips, each at most ${LIMIT} x the memory it takes in plain nginx`, async () => {
  turnout = await Turnout.start({ service: { command: ['node', BACKEND], bake: { for: '0s' } }, workers: 1 });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const view = await turnout.view();
  const replica = view.colors[view.active as 'blue' | 'green'].replicas[0]?.address as string;
  plain = await plainNginx(replica);

  const alone = await hold(plain.port, plain.pids);
  alone.end();
  const held = await hold(turnout.gatewayPort, () => family(turnout.masterPid()));
  for (let i = 0; i < FLIPS; i++) {
    const to = otherColor((await turnout.route()).active);
    expect((await turnout.control('POST', `/v1/routes/backend/switch/${to}`)).status).toBe(200);
  }
  const cut = await held.cutAfter(2 * INTERVAL);
  held.end();
  keep('held', {
    streams: STREAMS,
    flips: FLIPS,
    cut,
    plain: { rest: alone.rest, stream: alone.each },
    turnout: { rest: held.rest, stream: held.each },
  });
  expect(cut).toBe(0);
  expect(held.each / alone.each).toBeLessThanOrEqual(LIMIT);
});

/** Opens the streams, and measures once each has had its first event. */
async function hold(port: number, pids: () => number[]) {
  const rest = memory(pids());
  const streams = await openAll(port);
  const each = (memory(pids()) - rest) / STREAMS;
  return {
    rest,
    each,
    end: () => streams.forEach(({ socket }) => void socket.destroy()),
    /** How many have ended, or have had no event for so many ms. */
    cutAfter: async (ms: number) => {
      for (const stream of streams) stream.events = 0;
      await new Promise((resolve) => setTimeout(resolve, ms));
      return streams.filter(({ ended, events }) => ended || events === 0).length;
    },
  };
}

interface Stream {
  socket: Socket;
  events: number;
  ended: boolean;
}

async function openAll(port: number): Promise<Stream[]> {
  const streams: Stream[] = [];
  while (streams.length < STREAMS) {
    // As many at a time as every backlog holds.
    const some = Array.from({ length: Math.min(250, STREAMS - streams.length) }, () => open(port));
    streams.push(...some);
    await eventually('the streams have begun', () => some.every(({ events }) => events > 0), 30_000);
  }
  return streams;
}

function open(port: number): Stream {
  const socket = connect(port, '127.0.0.1');
  const stream = { socket, events: 0, ended: false };
  socket.on('connect', () => socket.write(`GET /stream?ms=${INTERVAL} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`));
  socket.on('data', (chunk) => {
    if (chunk.includes('data: ')) stream.events += 1;
  });
  for (const event of ['error', 'close']) socket.on(event, () => (stream.ended = true));
  return stream;
}
