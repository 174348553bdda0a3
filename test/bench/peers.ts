import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyCommand, debianCopy } from '../../build/debian-copy.js';
import { cacheFolder } from '../../build/nginx.js';
import { SUITE } from '../../build/nginx-copy.js';

/** Raise it when the packages change. */
const RECIPE = 1;
const PACKAGES = ['nginx', 'libnginx-mod-http-lua', 'haproxy', 'caddy', 'wrk'];

/** What Turnout is measured against, and by, as Debian packages it. */
export interface Peers {
  /** The words that start each. */
  nginx: string[];
  haproxy: string[];
  caddy: string[];
  wrk: string[];
  /** Folder with `lib/nginx/modules` and `share/lua/5.1`. */
  usr: string;
  versions: Record<'nginx' | 'haproxy' | 'caddy', string>;
}

/** Unpacked into the cache beside the private nginx, and out of the same suite, so that the versions are the same. */
export async function findPeers(): Promise<Peers> {
  const cache = cacheFolder(process.env);
  const log = (line: string) => console.log(line);
  const found = await debianCopy({
    cache,
    log,
    name: `peers-${RECIPE}`,
    suite: SUITE,
    packages: PACKAGES,
    what: 'nginx with Lua, HAProxy, Caddy and wrk (35 MB)',
    done: () => 'what Turnout is measured against',
    look: async (root, platform) => {
      const ok = existsSync(join(root, 'usr/bin/caddy'));
      return { ok, reason: ok ? '' : 'not there yet', root, command: (program: string) => copyCommand(root, platform, program) };
    },
  });
  if (!found.ok || !('command' in found)) throw new Error(`the benchmark's peers could not be fetched: ${found.reason}`);
  const { root, command } = found;
  const nginx = command('usr/sbin/nginx');
  const haproxy = command('usr/sbin/haproxy');
  const caddy = [join(root, 'usr/bin/caddy')];
  const versions = {
    nginx: await version([...nginx, '-v'], /nginx\/(\S+)/),
    haproxy: await version([...haproxy, '-v'], /version ([\d.]+)/),
    caddy: await version([...caddy, 'version'], /v?([\d.]+)/),
  };
  return { nginx, haproxy, caddy, wrk: command('usr/bin/wrk'), usr: join(root, 'usr'), versions };
}

async function version([program, ...args]: string[], pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program as string, args);
  return pattern.exec(stdout + stderr)?.[1] ?? 'unknown';
}
