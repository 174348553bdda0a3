import { request } from 'node:http';

export interface Asked {
  status: number;
  body: string;
  /** Milliseconds to the whole answer, connecting included. */
  ms: number;
}

interface Question {
  socketPath?: string;
  host?: string;
  port?: number;
  path: string;
  headers?: Record<string, string>;
}

/** One GET over a fresh connection; rejects with a message such as `ECONNREFUSED` or `no answer within 700 ms`. */
export function ask({ path, headers = {}, ...where }: Question, patience: number): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const call = request({ ...where, path, headers, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      answer.once('error', refuse);
      answer.once('end', () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, body, ms: performance.now() - begun });
      });
    });
    const refuse = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(new Error(error.code ?? error.message));
    };
    const timer = setTimeout(() => call.destroy(new Error(`no answer within ${patience} ms`)), patience);
    call.once('error', refuse);
    call.end();
  });
}
