import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { parseRoute, type Route } from '../../../njs/route.ts';
import type { Config } from '../../config/config.ts';
import { gatewayFolder } from '../../gateway/install.ts';
import { ask } from './ask.ts';
import { read, word } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** Milliseconds. */
const PATIENCE = 3000;
/** A change is on disk a moment before it is in force: what differs is looked at twice, so many milliseconds apart. */
const MOMENT = 300;

/** The routes in force against their files. Without a gateway: whether the files would bring it back. */
export async function checkRoutes(config: Config): Promise<Finding> {
  const names = config.services.map(({ name }) => name);
  const differing = (await look(config, names)).filter(({ result }) => result !== 'ok').length;
  if (differing > 0) await sleep(MOMENT);
  const findings = await look(config, names);
  const result = (['fail', 'warn', 'ok'] as const).find((one) => findings.some((finding) => finding.result === one)) ?? 'ok';
  const shown = result === 'ok' ? findings : findings.filter((finding) => finding.result !== 'ok');
  const remedies = [...new Set(shown.map(({ remedy }) => remedy).filter((remedy) => remedy !== null))];
  return {
    check: 'routes',
    result,
    found: shown.map(({ found }) => found).join('\n'),
    remedy: remedies.length > 0 ? remedies.join('\n') : null,
  };
}

function look(config: Config, names: string[]): Promise<Finding[]> {
  return Promise.all(names.map((name) => compare(gatewayFolder(config.state), name)));
}

async function compare(folder: string, service: string): Promise<Finding> {
  const file = join(folder, 'routes', `${service}.json`);
  const stored = read(file);
  const written = 'text' in stored ? parseRoute(service, stored.text) : null;
  const live = await liveRoute(join(folder, 'control.sock'), service);
  if (live === null) return withoutGateway(service, file, stored, written);
  if (live === 'none') {
    if (written === null) return ok('routes', `${service}: no route yet, nothing was deployed`);
    return fail('routes', `${service}: the gateway knows no route, though ${file} holds one`, 'restart the gateway: turnout up');
  }
  if (live.persisted === false) {
    const found = `${service}: generation ${live.generation} is in memory alone, the disk did not take it`;
    return warn('routes', found, `free space and mend the rights of ${folder}/routes; ${rewrite(folder, service)}`);
  }
  if (written === null) {
    const why = 'error' in stored ? stored.error : 'torn';
    return fail(
      'routes',
      `${service}: ${file} cannot be read (${why}): a restart of the gateway would lose generation ${live.generation}`,
      rewrite(folder, service),
    );
  }
  if (!isDeepStrictEqual(live, written)) {
    const found = `${service}: generation ${live.generation} is in force, but ${file} holds generation ${written.generation}`;
    return fail('routes', found, rewrite(folder, service));
  }
  return ok('routes', `${service}: ${live.active}, generation ${live.generation}, in force as in its file`);
}

function withoutGateway(service: string, file: string, stored: ReturnType<typeof read>, written: Route | null): Finding {
  if (written) return ok('routes', `${service}: ${written.active}, generation ${written.generation}, in its file`);
  const before = read(`${file}.previous`);
  const previous = 'text' in before && parseRoute(service, before.text) !== null;
  if ('error' in stored && (stored.error === 'ENOENT' || stored.error === 'ENOTDIR') && !previous) {
    return ok('routes', `${service}: no route yet`);
  }
  if ('error' in stored && stored.error === 'EACCES') {
    return warn('routes', `${service}: ${file} cannot be read: EACCES`, 'call doctor as the owner of the state folder');
  }
  const remedy = 'turnout up: it writes the route anew, from a color that is healthy';
  if (previous) return warn('routes', `${service}: ${file} is torn or gone, the one before it will be taken`, remedy);
  return fail('routes', `${service}: ${file} is torn, and there is none before it`, remedy);
}

/** The same route once more: a PUT writes file and memory. */
function rewrite(folder: string, service: string): string {
  const curl = `curl -s --unix-socket ${word(`${folder}/control.sock`)}`;
  const url = `http://localhost/v1/routes/${service}`;
  return `write it again: ${curl} ${url} | ${curl} -X PUT --data-binary @- ${url}`;
}

/** null: the gateway does not answer. */
async function liveRoute(socketPath: string, service: string): Promise<Route | 'none' | null> {
  try {
    const { status, body } = await ask({ socketPath, path: `/v1/routes/${service}` }, PATIENCE);
    if (status === 404) return 'none';
    return status === 200 ? parseRoute(service, body) : null;
  } catch {
    return null;
  }
}
