import { CONNECT_LIMIT_MS } from './dependency.js';

/** How a connection to the PostgreSQL behind `url` is made; throws when `url` can't be read. */
export async function postgresOpener(url) {
  const { Client } = (await import('pg')).default;
  const create = () => new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_LIMIT_MS, keepAlive: true });
  create();
  return (lost) => {
    const client = create();
    client.on('error', lost);
    client.on('end', lost);
    const connected = client.connect();
    return {
      ask: async () => {
        await connected;
        await client.query('SELECT 1');
      },
      close: () => client.end().catch(() => {}),
    };
  };
}
