import { WebSocketServer } from 'ws';

const GOING_AWAY = 1001;
/** How long a client may take to answer the closing handshake, in ms. */
const CLOSE_GRACE_MS = 2000;

/** The WebSocket endpoint: says hello with the release and the color, then echoes every message. */
export class EchoSockets {
  #server = new WebSocketServer({ noServer: true });

  constructor(identity, identityHeaders) {
    const hello = JSON.stringify({ release: identity.release, color: identity.color });
    this.#server.on('headers', (lines) => {
      for (let i = 0; i < identityHeaders.length; i += 2) lines.push(`${identityHeaders[i]}: ${identityHeaders[i + 1]}`);
    });
    this.#server.on('connection', (client) => {
      client.on('error', () => client.terminate());
      client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
      client.send(hello);
    });
  }

  accept(req, socket, head) {
    this.#server.handleUpgrade(req, socket, head, (client) => this.#server.emit('connection', client, req));
  }

  closeAll() {
    for (const client of this.#server.clients) client.close(GOING_AWAY, 'going away');
    setTimeout(() => {
      for (const client of this.#server.clients) client.terminate();
    }, CLOSE_GRACE_MS);
  }
}
