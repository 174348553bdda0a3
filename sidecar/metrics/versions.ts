import { request } from 'node:http';

export interface Versions {
  nginx: string;
  njs: string;
}

/** Milliseconds; a scrape does not wait as long. */
const PATIENCE = 3000;

/** What answers on the gateway's control socket. Rejects when nothing does. */
export function readVersions(folder: string): Promise<Versions> {
  return new Promise((resolve, reject) => {
    const socketPath = `${folder}/control.sock`;
    const signal = AbortSignal.timeout(PATIENCE);
    const call = request({ socketPath, path: '/v1/health', agent: false, signal }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.once('error', reject);
      answer.once('end', () => {
        try {
          const { nginx, njs } = (JSON.parse(body) as { versions: Versions }).versions;
          resolve({ nginx, njs });
        } catch (error) {
          reject(error);
        }
      });
    });
    call.once('error', reject);
    call.end();
  });
}
