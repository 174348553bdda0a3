import { ServerResponse } from 'node:http';
import { pathOf } from './handler.js';

/**
 * Node takes a connection out of HTTP as soon as a request asks for any upgrade at all. What is no WebSocket for us
 * (another path, `Upgrade: h2c`) is put back: an ordinary request on a connection that closes afterwards.
 *
 * `faulty` wraps a handler in the faults of this release, which strike a handshake like any other request.
 */
export function upgradeWith(handler, faulty, sockets, replies) {
  const shake = faulty((req, res) => {
    const { socket, head } = res.upgrading;
    res.detachSocket(socket);
    sockets.accept(req, socket, head);
  });
  return (req, socket, head) => {
    const res = new ServerResponse(req);
    res.shouldKeepAlive = false;
    res.upgrading = { socket, head };
    res.assignSocket(socket);
    res.on('finish', () => socket.end());
    socket.on('error', () => socket.destroy());
    const ours = pathOf(req) === '/ws' && req.method === 'GET' && req.headers.upgrade.toLowerCase() === 'websocket';
    if (ours && !replies.draining) shake(req, res);
    else handler(req, res);
  };
}
