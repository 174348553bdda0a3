import { CONNECT_LIMIT_MS } from './dependency.js';

/** How a connection to the Redis behind `url` is made; throws when `url` can't be read. */
export async function redisOpener(url) {
  const { createClient } = await import('@redis/client');
  // No reconnecting of its own: the next check does that, and is not answered from a queue that waits for better times.
  const socket = { connectTimeout: CONNECT_LIMIT_MS, reconnectStrategy: false };
  const create = () => createClient({ url, socket, maintNotifications: 'disabled' });
  create();
  return (lost) => {
    const client = create();
    client.on('error', lost);
    client.on('end', lost);
    const connected = client.connect();
    return {
      ask: async () => {
        await connected;
        await client.ping();
      },
      close: () => client.destroy(),
    };
  };
}
