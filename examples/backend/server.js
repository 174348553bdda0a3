import { createServer } from 'node:http';
import { readDependencies } from './dependencies.js';
import { drainOnSignal } from './drain.js';
import { readFaults, startFaults } from './faults.js';
import { createHandler, withFaults } from './handler.js';
import { identityHeaders, readIdentity } from './identity.js';
import { Replies } from './reply.js';
import { readAddress, SettingError } from './settings.js';
import { EchoSockets } from './sockets.js';
import { EventStreams } from './stream.js';
import { upgradeWith } from './upgrade.js';

const { address, faults, dependencies } = await readSettings(process.env);
const identity = readIdentity(process.env);
const replies = new Replies(identityHeaders(identity));
const streams = new EventStreams(replies, identity);
const sockets = new EchoSockets(identity, identityHeaders(identity));
const faulty = (handler) => withFaults(handler, faults, replies);
const plain = createHandler({ identity, faults, dependencies, replies, streams });
const handler = faulty(plain);

// keepAliveTimeout stays at Node's 5 s: Turnout's gateway drops its idle connections after 4 s (`keepalive.idle`), so it is
// always the gateway that closes first, and no request is ever sent on a connection that this side is just closing.
const server = createServer(handler);
server.on('upgrade', upgradeWith(handler, faulty, sockets, replies));
drainOnSignal({ server, replies, streams, sockets, faults });
startFaults(faults);

server.on('error', (error) => {
  process.stderr.write(`cannot listen: ${error.message}\n`);
  process.exit(1);
});
server.on('listening', () => {
  const { address: host, family, port } = server.address();
  const shown = family === 'IPv6' ? `[${host}]` : host;
  process.stdout.write(`backend ${identity.release} (${identity.color}/${identity.slot}) listens on ${shown}:${port}\n`);
});
// The backlog of Node is 511; a burst of new connections at a flip must not run into it.
const listen = () => replies.draining || server.listen({ ...address, backlog: 4096 });
if (faults.startDelayS > 0) setTimeout(listen, faults.startDelayS * 1000);
else listen();

async function readSettings(env) {
  try {
    return { address: readAddress(env), faults: readFaults(env), dependencies: await readDependencies(env) };
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
