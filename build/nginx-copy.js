import { existsSync } from 'node:fs';
import { copyCommand, debianCopy } from './debian-copy.js';
import { probeNginx } from './nginx-probe.js';

/** Raise it when the recipe changes, so that copies made by the old one are not taken for ours. */
const RECIPE = 1;
/** The oldest Debian suite whose nginx comes with njs >= 1.0. */
export const SUITE = 'forky';
const PACKAGES = ['nginx', 'libnginx-mod-http-js'];

/**
 * An nginx of our own, see debianCopy().
 *
 * @param {{ cache: string, env?: NodeJS.ProcessEnv, log?: (line: string) => void, etc?: string, arch?: string }} options
 * @returns {Promise<{ command: string[], ok: boolean, reason: string, module: string, nginx: string, njs: string }>}
 */
export async function nginxCopy({ cache, ...options }) {
  const copy = await debianCopy({
    ...options,
    cache,
    name: `nginx-${RECIPE}`,
    suite: SUITE,
    packages: PACKAGES,
    what: 'nginx and njs (10 MB)',
    look: async (root, platform) => {
      const command = copyCommand(root, platform, 'usr/sbin/nginx');
      if (!existsSync(command.at(-1))) return { command, ok: false, reason: 'not there yet' };
      return { command, ...(await probeNginx(command, { cache })) };
    },
    done: ({ nginx, njs }) => `nginx ${nginx} with njs ${njs}`,
  });
  return { command: [], module: '', nginx: '', njs: '', ...copy };
}
