import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { gatewayFolder } from '../../gateway/install.ts';
import { findMaster, findMembers, recordedMaster } from '../../gateway/processes.ts';
import { type Asked, ask } from './ask.ts';
import { word } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { Sidecar } from './sidecar.ts';

/** Milliseconds, and how many knocks without an answer mean stuck: as the sidecar's own watch has it. */
const PATIENCE = 700;
const KNOCKS = 3;
/** Milliseconds; a healthy one takes one or two. */
const SLOW = 300;

interface Versions {
  nginx: string;
  njs: string;
  turnout: string;
}

/** Master, control socket, versions, workers. `expected`: the versions of this Turnout and of the nginx it would start. */
export async function checkGateway(config: Config, sidecar: Sidecar, expected: Partial<Versions>): Promise<Finding> {
  const folder = gatewayFolder(config.state);
  const master = findMaster(folder);
  const health = await firstAnswer(join(folder, 'control.sock'));
  // Workers without a master answer, too, but nobody replaces them. Processes of another user cannot be seen at all: that
  // they answer is enough.
  const orphans = master ? [] : findMembers(folder, recordedMaster(folder));
  if (orphans.length > 0) {
    const found = `its master (pid ${recordedMaster(folder)}) is dead, ${orphans.length} workers still serve: ${orphans.join(', ')}`;
    return fail('gateway', found, `${starter(config, folder)}: it ends them first`);
  }
  if (typeof health === 'string' && !master) return notRunning(config, folder, sidecar, health);
  if (typeof health === 'string') {
    const found = `its master runs (pid ${master?.pid}), but the control socket does not answer: ${health}`;
    const remedy =
      sidecar.state === 'alive'
        ? `the sidecar starts a stuck gateway anew within seconds; look again, then at ${folder}/error.log`
        : `kill -KILL -- -${master?.pid}, then ${starter(config, folder)}`;
    return fail('gateway', found, remedy);
  }
  if (health.status !== 200) {
    const found = `the control socket answers ${health.status}: ${health.body.slice(0, 200).trim()}`;
    return fail('gateway', found, `look at ${folder}/error.log, then restart: turnout up -f ${word(config.file)}`);
  }
  const { versions } = JSON.parse(health.body) as { versions: Versions };
  const workers = master ? findMembers(folder, master.pid).length - 1 : null;
  const facts = [
    `nginx ${versions.nginx}, njs ${versions.njs}, Turnout ${versions.turnout}`,
    master ? `master ${master.pid}, ${workers} workers` : 'processes of another user',
    `answers in ${health.ms.toFixed(1)} ms`,
  ].join('; ');
  return judge(config, facts, versions, expected, workers, health.ms) ?? ok('gateway', facts);
}

function judge(
  { file, gateway }: Config,
  facts: string,
  versions: Versions,
  expected: Partial<Versions>,
  workers: number | null,
  ms: number,
): Finding | null {
  if (expected.turnout !== undefined && versions.turnout !== expected.turnout) {
    const remedy = `restart turnout up (-f ${word(file)}): the gateway runs the code of another version`;
    return warn('gateway', `${facts}; this is Turnout ${expected.turnout}`, remedy);
  }
  const differs = (['nginx', 'njs'] as const).find((name) => expected[name] !== undefined && versions[name] !== expected[name]);
  if (differs) {
    const found = `${facts}; the next start takes ${differs} ${expected[differs]}`;
    return warn('gateway', found, `restart turnout up (-f ${word(file)}) when it suits: a reload keeps the old program`);
  }
  if (typeof gateway.workers === 'number' && workers !== null && workers < gateway.workers) {
    const found = `${facts}; turnout.yaml wants ${gateway.workers}`;
    return warn('gateway', found, 'turnout reload; if they keep dying, error.log says why');
  }
  if (ms > SLOW) return warn('gateway', `${facts}, expected less than ${SLOW} ms`, 'see what takes the processor: `top`');
  return null;
}

function notRunning(config: Config, folder: string, sidecar: Sidecar, why: string): Finding {
  const recorded = recordedMaster(folder);
  if (sidecar.state === 'alive') {
    const found = `no master runs, though the sidecar does (${why})`;
    return fail('gateway', found, `the sidecar starts it anew within a second; look again, then at ${folder}/error.log`);
  }
  // nginx removes its pid file when it ends in order.
  if (recorded !== null)
    return fail('gateway', `it does not run: its master (pid ${recorded}) was killed`, starter(config, folder));
  if (why === 'EACCES')
    return warn('gateway', `its socket cannot be reached: ${why}`, `call doctor as the owner of ${config.state}`);
  return warn('gateway', 'it does not run', `start it with the sidecar: turnout up -f ${word(config.file)}`);
}

/** By hand, the gateway comes back with the last route even while there is no sidecar. */
function starter({ file }: Config, folder: string): string {
  const script = join(folder, 'start');
  return `turnout up -f ${word(file)}${existsSync(script) ? `, or ${word(script)} for the gateway alone` : ''}`;
}

/** The answer, or why there was none in any of the tries. Of several the fastest: a busy machine is no slow gateway. */
async function firstAnswer(socketPath: string): Promise<Asked | string> {
  let why = '';
  let best: Asked | null = null;
  for (let knock = 0; knock < KNOCKS; knock++) {
    try {
      const answer = await ask({ socketPath, path: '/v1/health' }, PATIENCE);
      if (!best || answer.ms < best.ms) best = answer;
      if (answer.ms <= SLOW) break;
    } catch (error) {
      why = (error as Error).message;
      // The kernel's own answer: nobody is there, and knocking again changes nothing.
      if (/^E[A-Z]+$/.test(why)) break;
    }
  }
  return best ?? why;
}
