import type { RequestListener } from 'node:http';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Answers as the test wants; gone after the test. Its address, as `host:port`. */
export function serving(listener: RequestListener): Promise<string> {
  return listening(createHttp(listener));
}

/** Says these bytes once something was asked, and nothing more. */
export function saying(bytes: string, then: (socket: Socket) => void = () => {}): Promise<string> {
  const answer = (socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(bytes, () => then(socket)));
  };
  return listening(createServer(answer));
}

export function listening(server: Server, port = 0): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}
