import { Agent } from 'node:http';
import { call, type HttpAnswer } from './http.ts';

/** One connection to a unix socket that stays with the worker that accepted it. */
export class KeptConnection {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(private readonly socketPath: string) {}

  call(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    const { agent, socketPath } = this;
    return call({ agent, socketPath, method, path, headers, ...(body === undefined ? {} : { body }) });
  }

  /** The pid of the worker behind it. */
  async worker(): Promise<number> {
    return (JSON.parse((await this.call('GET', '/v1/health')).body) as { worker: number }).worker;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Connections to two different workers: opened until two answer, the surplus closed. */
export async function twoWorkers(socketPath: string): Promise<[KeptConnection, KeptConnection]> {
  const first = new KeptConnection(socketPath);
  const one = await first.worker();
  const surplus: KeptConnection[] = [];
  try {
    for (let tries = 0; tries < 1000; tries++) {
      const second = new KeptConnection(socketPath);
      if ((await second.worker()) !== one) return [first, second];
      surplus.push(second);
    }
    throw new Error('1,000 connections were all accepted by one worker');
  } finally {
    for (const connection of surplus) connection.close();
  }
}
