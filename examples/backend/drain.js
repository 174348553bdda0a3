const POLL_MS = 50;
const LIMIT_MS = 25_000;

/**
 * The orderly end of the process on SIGTERM or SIGINT: nobody new is let in, requests in flight are answered with
 * `Connection: close`, and the exit code is 0 when the last connection has gone, or after 25 s at the latest.
 * A second signal changes nothing, since npm and npx pass every Ctrl-C on a second time.
 */
export function drainOnSignal({ server, replies, streams, sockets, faults }) {
  const connections = new Set();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });

  const drain = () => {
    if (replies.draining) return;
    replies.draining = true;
    server.close(() => process.exit(0));
    streams.endAll();
    sockets.closeAll();
    setInterval(() => {
      // An answer that had begun before the signal promised keep-alive: its connection is idle only now.
      server.closeIdleConnections();
      // Node does not count a connection that never sent a byte as idle; browsers open such ones in advance.
      for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
    }, POLL_MS);
    setTimeout(() => {
      process.stderr.write(`drain: gave up on ${connections.size} connections after ${LIMIT_MS / 1000} s\n`);
      process.exit(0);
    }, LIMIT_MS);
  };

  process.on('SIGINT', drain);
  process.on('SIGTERM', faults.ignoreSigterm ? () => {} : drain);
}
