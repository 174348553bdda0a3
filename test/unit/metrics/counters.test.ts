import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { readTraffic } from '../../../njs/counters.ts';
import { COLORS, type Color } from '../../../njs/route.ts';
import type { Traffic } from '../../../njs/traffic.ts';

const living = new Set<string>();
vi.mock('../../../njs/lock.ts', () => ({ isWorker: (_fs: unknown, pid: string) => living.has(pid) }));

afterEach(() => {
  vi.unstubAllGlobals();
});

/** The shared memory of one nginx, and what its workers do to it. */
class Nginx {
  private readonly counts = new Map<string, number>();
  private readonly words = new Map<string, string>();
  private readonly open: { key: string; pid: string }[] = [];
  /** The pid of each worker; whoever takes a dead one's place has another. */
  private readonly pids = [100, 101, 102, 103];

  constructor() {
    living.clear();
    const turnout_traffic = {
      items: () => [...this.counts],
      incr: (key: string, by: number) => void this.counts.set(key, (this.counts.get(key) ?? 0) + by),
      delete: (key: string) => this.counts.delete(key),
    };
    const turnout_routes = {
      add: (key: string, text: string) => this.words.has(key) || this.words.set(key, text),
      get: (key: string) => this.words.get(key),
    };
    vi.stubGlobal('ngx', { shared: { turnout_traffic, turnout_routes } });
  }

  /** What another version of Turnout has left in the zone, which a reload keeps. */
  leave(key: string): void {
    this.incr(key);
  }

  /** As pick() does it. */
  start(worker: number, color: Color, set: string): void {
    const pid = `${this.pids[worker]}`;
    living.add(pid);
    const key = `${pid}backend.${color}.${set}`;
    this.incr(key);
    this.open.push({ key, pid });
  }

  end(number: number, how: string): void {
    const [request] = this.open.splice(number % Math.max(1, this.open.length), 1);
    if (request) this.incr(request.key + how);
  }

  /** `kill -9`: what it was answering is never ended. */
  kill(worker: number): void {
    const pid = `${this.pids[worker]}`;
    living.delete(pid);
    this.pids[worker] = Math.max(...this.pids) + 1;
    for (let at = this.open.length - 1; at >= 0; at--) if (this.open[at]!.pid === pid) this.open.splice(at, 1);
  }

  get inFlight(): number {
    return this.open.length;
  }

  private incr(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
}

/** Everything that may only grow. */
function totals({ colors }: Traffic): number[] {
  return COLORS.flatMap((color) => {
    const { started, finished, durations, failedOver } = colors[color];
    return [started, failedOver, ...Object.values(finished), ...durations];
  });
}

const worker = fc.nat({ max: 3 });
const color = fc.constantFrom<Color>('blue', 'green');
const set = fc.constantFrom('1', '2', '1-2');
const how = fc.constantFrom('a2', 'm2', 'b3', 'c4', 'd5', 'e9', 'l1', 'F');
const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant('start' as const), worker, color, set) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('end' as const), fc.nat(), how) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('kill' as const), worker) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('read' as const)) },
);

test('no counter ever goes back and in flight is never negative, whichever workers die, and whenever it is read', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (story) => {
      const nginx = new Nginx();
      let before: number[] | null = null;
      for (const what of [...story, ['read'] as const]) {
        if (what[0] === 'start') nginx.start(what[1], what[2], what[3]);
        if (what[0] === 'end') nginx.end(what[1], what[2]);
        if (what[0] === 'kill') nginx.kill(what[1]);
        if (what[0] !== 'read') continue;
        const traffic = readTraffic('backend');
        const { blue, green } = traffic.colors;
        const now = totals(traffic);
        for (const [index, count] of (before ?? []).entries()) expect(now[index]).toBeGreaterThanOrEqual(count);
        before = now;
        expect(blue.inFlight + green.inFlight).toBe(nginx.inFlight);
        expect(Math.min(blue.inFlight, green.inFlight)).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 500 },
  );
});

test('what a dead worker has counted stays, under a name that no worker has', () => {
  const nginx = new Nginx();
  nginx.start(0, 'blue', '1');
  nginx.start(0, 'blue', '1');
  nginx.end(0, 'a2');
  nginx.kill(0);
  for (let n = 0; n < 3; n++) {
    const { blue } = readTraffic('backend').colors;
    expect([blue.started, blue.finished['2xx'], blue.inFlight]).toEqual([2, 1, 0]);
  }
  nginx.start(0, 'blue', '1');
  const { blue } = readTraffic('backend').colors;
  expect([blue.started, blue.inFlight]).toEqual([3, 1]);
});

test('a key that nobody knows is left alone', () => {
  const nginx = new Nginx();
  nginx.leave('backend.blue.1.100.2a');
  nginx.start(0, 'blue', '1');
  expect(readTraffic('backend').colors.blue.started).toBe(1);
});
