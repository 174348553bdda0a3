import { createServer, type Server } from 'node:http';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';

/** A server that has the address; requests wait until a handler is set. */
export function listen(address: Address): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message;
      reject(
        new TurnoutError('runtime-unusable', `api.listen is ${formatAddress(address)}, but ${why}`, {
          hint: 'Stop that process, or give api.listen another address in turnout.yaml.',
        }),
      );
    });
    server.listen(address.port, address.host, () => resolve(server));
  });
}
