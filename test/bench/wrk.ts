import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Contender, OTHERS } from './contenders.ts';
import { cpuTime } from './cpu.ts';
import { pinned } from './servers.ts';

export interface Scenario {
  name: string;
  connections: number;
  path: string;
  headers?: Record<string, string>;
}

export interface Figures {
  /** CPU time of the contender for one request, in microseconds. */
  cpu: number;
  /** Requests a second. */
  throughput: number;
}

/** One run of wrk on the other core; rejects when any answer was not a 2xx or a connection failed. */
export async function measure(wrk: string[], contender: Contender, scenario: Scenario, seconds: number): Promise<Figures> {
  const { connections, path, headers = {} } = scenario;
  const flags = Object.entries({ ...contender.headers, ...headers }).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const url = `http://127.0.0.1:${contender.port}${path}`;
  const [program, ...args] = pinned(OTHERS, [...wrk, '-t1', `-c${connections}`, `-d${seconds}s`, ...flags, url]);
  const pids = contender.pids();
  const before = cpuTime(pids);
  const { stdout } = await promisify(execFile)(program as string, args);
  const used = cpuTime(pids) - before;
  const requests = Number(/^\s*(\d+) requests in/m.exec(stdout)?.[1]);
  if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`${contender.name}, ${scenario.name}:\n${stdout}`);
  return { cpu: used / 1000 / requests, throughput: Number(/^Requests\/sec:\s+([\d.]+)/m.exec(stdout)?.[1]) };
}
