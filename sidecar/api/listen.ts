import { createServer, type RequestListener } from 'node:http';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';

export interface Listening {
  /** Answers from now on, also what came before. */
  serve(handler: RequestListener): void;
  close(): Promise<void>;
}

/** Takes the address at once; requests wait until there is somebody to serve them. */
export function listen(address: Address): Promise<Listening> {
  return new Promise((resolve, reject) => {
    let serve: (handler: RequestListener) => void = () => undefined;
    const handler = new Promise<RequestListener>((ready) => {
      serve = ready;
    });
    const server = createServer((request, response) => void handler.then((answer) => answer(request, response)));
    const close = () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      });
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message;
      reject(
        new TurnoutError('runtime-unusable', `api.listen is ${formatAddress(address)}, but ${why}`, {
          hint: 'Stop that process, or give api.listen another address in turnout.yaml.',
        }),
      );
    });
    server.listen(address.port, address.host, () => resolve({ serve, close }));
  });
}
