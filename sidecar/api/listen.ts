import { createServer, type RequestListener } from 'node:http';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';

/** Connections at once, and milliseconds that each has to say what it wants. */
const CONNECTIONS = 64;
const HEADERS = 5000;
/** Milliseconds between two looks for those that have not. */
const CHECK = 1000;

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
    const server = createServer(
      { headersTimeout: HEADERS, connectionsCheckingInterval: CHECK },
      (request, response) => void handler.then((answer) => answer(request, response)),
    );
    // Whoever has no token must not use up what the gateway's and the replicas' checks need.
    server.maxConnections = CONNECTIONS;
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
    server.listen(address.port, address.host, () => {
      server.on('error', () => undefined);
      resolve({ serve, close });
    });
  });
}
