import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GatewayFolder, nginxHome } from './gateway-folder.ts';
import { Server } from './servers.ts';

/** What every gateway has answered before anything is counted: its route is in the zone then, and its connections are open. */
const WARM_UP = 100;
const FEW = 200;
const MANY = 1200;

/**
 * How many bytes of environment nginx copies to its heap at start. What malloc() does for each request depends on how the heap
 * lies, by some hundred instructions: so one figure is the mean of several heaps.
 */
const HEAPS = [0, 1000, 1500, 3000];

/**
 * Instructions in user space that nginx needs for one request on a keepalive connection: those of a run with many requests less
 * those of a run with few, so that start and end do not count. The same to a few instructions in every run, whatever else
 * the machine does.
 */
export async function instructionsPerRequest(gateway: GatewayFolder, host: string): Promise<number> {
  let sum = 0;
  for (const heap of HEAPS) {
    const few = await instructions(gateway, host, FEW, heap);
    const many = await instructions(gateway, host, MANY, heap);
    sum += (many - few) / (MANY - FEW);
  }
  return Math.round(sum / HEAPS.length);
}

async function instructions(gateway: GatewayFolder, host: string, requests: number, heap: number): Promise<number> {
  const file = join(gateway.root, 'callgrind.out');
  const nginx = [...nginxHome().command, '-p', `${gateway.folder}/`, '-e', join(gateway.folder, 'error.log'), '-c', gateway.conf];
  const valgrind = ['valgrind', '--tool=callgrind', `--callgrind-out-file=${file}`, '-q', ...nginx];
  const env = { PATH: process.env.PATH, HEAP: 'x'.repeat(heap) };
  const server = await Server.start(valgrind, gateway.port, { limit: 120_000, env });
  try {
    await oneAfterAnother(gateway.port, host, WARM_UP);
    await oneAfterAnother(gateway.port, host, requests);
  } finally {
    await server.stop('SIGTERM', 60_000);
  }
  const total = /^(?:summary|totals): (\d+)/m.exec(await readFile(file, 'utf8'))?.[1];
  if (total === undefined) throw new Error(`callgrind has counted nothing:\n${server.output()}`);
  return Number(total);
}

/** Without a timer and without a second process: js_periodic and the master would be counted as well. */
export async function quiet(gateway: GatewayFolder): Promise<void> {
  await gateway.edit('nginx.conf', (text) => `daemon off;\nmaster_process off;\n${text}`);
  await gateway.edit('turnout/control.conf', (text) => text.replace(/^location @turnout_watch \{[^}]*\}$/m, ''));
}

export async function assertValgrind(): Promise<void> {
  await promisify(execFile)('valgrind', ['--version']).catch(() => {
    throw new Error('valgrind was not found: `apt-get install valgrind` brings it, .ci/packages does so');
  });
}

/** Requests on one connection, each sent when the one before is answered; rejects unless every answer is a 200. */
function oneAfterAnother(port: number, host: string, requests: number): Promise<void> {
  const text = `GET /a HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text)).setNoDelay();
    let left = requests;
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      const body = answer.indexOf('\r\n\r\n');
      if (body < 0 || answer.length < body + 4 + Number(/content-length: (\d+)/i.exec(answer)?.[1])) return;
      if (!answer.startsWith('HTTP/1.1 200 ')) return socket.destroy(new Error(`expected 200, got:\n${answer}`));
      answer = '';
      left -= 1;
      if (left === 0) socket.end();
      else socket.write(text);
    });
    socket.once('error', reject);
    socket.once('close', () => (left === 0 ? resolve() : reject(new Error(`the connection ended with ${left} requests to go`))));
  });
}
