import { Dependency } from './dependency.js';
import { SettingError } from './settings.js';

const KNOWN = [
  {
    name: 'database',
    variable: 'DATABASE_URL',
    form: /^postgres(ql)?:\/\//,
    example: 'postgres://user:password@127.0.0.1:5432/name',
    library: 'pg',
    opener: async (url) => (await import('./database.js')).postgresOpener(url),
  },
  {
    name: 'redis',
    variable: 'REDIS_URL',
    form: /^rediss?:\/\//,
    example: 'redis://:password@127.0.0.1:6379',
    library: '@redis/client',
    opener: async (url) => (await import('./redis.js')).redisOpener(url),
  },
];

/** The servers that this release was told to need, by their names in the health document; an empty variable counts as absent. */
export async function readDependencies(env) {
  const found = {};
  for (const known of KNOWN) {
    const url = env[known.variable];
    if (url) found[known.name] = new Dependency(known.name, url, await openerOf(known, url));
  }
  return found;
}

async function openerOf({ variable, form, example, library, opener }, url) {
  // The URL is not quoted: it may hold a password.
  const malformed = new SettingError(`${variable}: expected a URL such as ${example}`);
  if (!form.test(url)) throw malformed;
  try {
    return await opener(url);
  } catch (error) {
    if (!String(error.code).endsWith('MODULE_NOT_FOUND')) throw malformed;
    throw new SettingError(`${variable}: needs a library that is not installed: npm install ${library}`);
  }
}
