import { type Agent, request } from 'node:http';

export interface HttpCall {
  /** Default: this machine. */
  host?: string;
  port?: number;
  socketPath?: string;
  /** Default: a connection of its own. */
  agent?: Agent;
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** One request; rejects when there is no whole answer within 15 s. */
export function call({
  host = '127.0.0.1',
  port,
  socketPath,
  agent,
  method,
  path,
  headers = {},
  body,
}: HttpCall): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const where = socketPath === undefined ? { host, port } : { socketPath };
    const sent = body === undefined ? headers : { 'content-length': String(Buffer.byteLength(body)), ...headers };
    const signal = AbortSignal.timeout(15_000);
    const outgoing = request({ ...where, method, path, headers: sent, agent: agent ?? false, signal }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers as Record<string, string>, body: text }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
