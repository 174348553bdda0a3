import type { Config } from '../config/config.ts';
import { type Common, configFile } from './context.ts';
import { checkClock } from './doctor/clock.ts';
import { checkConfig } from './doctor/config-file.ts';
import { checkDisk } from './doctor/disk.ts';
import { type Finding, fail, ok } from './doctor/finding.ts';
import { checkGateway } from './doctor/gateway.ts';
import { checkEphemeralPorts, checkOpenFiles } from './doctor/limits.ts';
import { listeners } from './doctor/listeners.ts';
import { checkNginx } from './doctor/nginx.ts';
import { checkApiPort, checkGatewayPort } from './doctor/ports.ts';
import { checkRoutes } from './doctor/routes.ts';
import { checkSidecar, checkToken, findSidecar } from './doctor/sidecar.ts';
import { checkSlots } from './doctor/slot-ports.ts';
import { checkState } from './doctor/state-folder.ts';
import { DONE } from './exit.ts';
import { print, printJson, table } from './output.ts';

declare const TURNOUT_VERSION: string;

type Check = [string, () => Finding | Promise<Finding>];

const FAILED = 8;

/** Looks at everything that Turnout needs, and changes nothing: no folder is made, no port taken, no process touched. */
export async function doctor(options: Common): Promise<number> {
  const { config, finding } = await checkConfig(configFile(options), process.env);
  const findings = [
    ok('node', `${process.versions.node} (${process.execPath})`),
    // Whoever runs the gateway elsewhere needs none here.
    ...(config?.gateway.managed === false ? [] : [checkNginx(process.env)]),
    finding,
    ...(config ? await checkInstance(config) : [checkClock(null)]),
    checkOpenFiles(),
  ];
  if (options.json) findings.forEach(printJson);
  else print(show(findings));
  return findings.some(({ result }) => result === 'fail') ? FAILED : DONE;
}

async function checkInstance(config: Config): Promise<Finding[]> {
  const all = listeners();
  const sidecar = findSidecar(config.state);
  const owner = sidecar.state === 'alive' ? sidecar.pid : null;
  const slots: Check[] = [['slots', () => checkSlots(config, all)]];
  const ephemeral: Check[] = [['ephemeral-ports', () => checkEphemeralPorts(config.ports)]];
  // Its code is large, and needed by those alone who run containers.
  const containers: Check[] = [['docker', async () => (await import('./doctor/docker.ts')).checkDocker(config)]];
  const here: Check[] = [['gateway.listen', () => checkGatewayPort(config, all)]];
  const checks: Check[] = [
    ['state', () => checkState(config)],
    ['disk', () => checkDisk(config.state)],
    ...(config.gateway.managed ? here : []),
    ['api.listen', () => checkApiPort(config, owner, all)],
    ...(config.runtime === 'docker' ? containers : slots),
    ['sidecar', () => checkSidecar(config, sidecar)],
    ['token', () => checkToken(config, sidecar)],
    ['gateway', () => checkGateway(config, sidecar, expectedVersions())],
    ['routes', () => checkRoutes(config)],
    ['clock', () => checkClock(config.state)],
    ...(config.runtime === 'docker' ? [] : ephemeral),
  ];
  const findings: Finding[] = [];
  for (const [name, check] of checks) findings.push(await guarded(name, check));
  return findings;
}

/** A check that breaks is a finding, too: the others must still be told. */
async function guarded(name: string, check: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return await check();
  } catch (error) {
    return fail(name, `this could not be looked at: ${(error as Error).message}`, 'please report it, with this line');
  }
}

function expectedVersions(): { turnout: string; nginx?: string; njs?: string } {
  const { TURNOUT_NGINX_PROBLEM: problem, TURNOUT_NGINX_VERSIONS: versions } = process.env;
  if (problem || !versions) return { turnout: TURNOUT_VERSION };
  const { nginx, njs } = JSON.parse(versions) as { nginx: string; njs: string };
  return { turnout: TURNOUT_VERSION, nginx, njs };
}

/** One line for each check, its remedy below it. */
function show(findings: Finding[]): string {
  const rows = findings.flatMap(({ check, result, found, remedy }) => [
    ...found.split('\n').map((line, i) => (i === 0 ? [check, result, line] : ['', '', line])),
    ...(remedy ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => ['', '', `remedy: ${line}`]),
  ]);
  return table([['CHECK', 'RESULT', 'FOUND'], ...rows]);
}
