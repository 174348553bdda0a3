import { accessSync, constants, existsSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LONGEST_SOCKET } from '../../config/checks.ts';
import type { Config } from '../../config/config.ts';
import { TurnoutError } from '../../errors.ts';
import { gatewayFolder } from '../../gateway/install.ts';
import { ownerOf } from '../../gateway/owner.ts';
import { errorCode, word } from './files.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { userName } from './listeners.ts';

/** What the sidecar writes into. After one `sudo turnout up` some of it belongs to root. */
const PARTS = ['', 'gateway', 'gateway/routes', 'gateway/tmp', 'replicas', 'logs', 'journal.jsonl', 'slots.json', 'token'];

/** Whether `up` can work in the state folder, or make it. */
export async function checkState(config: Config): Promise<Finding> {
  const { state } = config;
  const long = longestSocket(config);
  if (Buffer.byteLength(long) > LONGEST_SOCKET) {
    const found = `the socket ${long} has a path of ${Buffer.byteLength(long)} bytes, at most ${LONGEST_SOCKET} work`;
    return fail('state', found, 'give `state` in turnout.yaml a shorter path');
  }
  let folder: Stats;
  try {
    folder = statSync(state);
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? canBeMade(state) : unusable(state, errorCode(error));
  }
  if (!folder.isDirectory()) return unusable(state, 'it is not a folder');
  return (await foreign(state, folder)) ?? unwritable(state, folder) ?? open(state, folder) ?? whole(state, folder, long);
}

function longestSocket(config: Config): string {
  const names = config.services.map(({ name }) => `preview-${name}.sock`).sort((a, b) => b.length - a.length);
  return join(gatewayFolder(config.state), names[0] ?? 'control.sock');
}

/** The nearest folder that exists, where mkdir would begin. */
export function nearest(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearest(dirname(path));
}

function canBeMade(state: string): Finding {
  const parent = nearest(state);
  const why = statSync(parent).isDirectory() ? denied(parent) : 'it is not a folder';
  if (why === null) return ok('state', `${state} does not exist yet and can be made in ${parent}`);
  const found = `${state} does not exist and cannot be made in ${parent}: ${why}`;
  return fail('state', found, `make it for ${userName(uid())} (mkdir, chown), or give \`state\` in turnout.yaml another place`);
}

function unusable(state: string, why: string): Finding {
  return fail(
    'state',
    `${state} cannot be used: ${why}`,
    'remove what is in the way, or give `state` in turnout.yaml another place',
  );
}

async function foreign(state: string, { uid: owner }: Stats): Promise<Finding | null> {
  if (uid() === 0) {
    try {
      await ownerOf(state);
      return null;
    } catch (thrown) {
      const { message, hint } = TurnoutError.from(thrown);
      return fail('state', message, hint);
    }
  }
  if (owner === uid()) return null;
  const found = `${state} belongs to ${userName(owner)}, this is ${userName(uid())}`;
  return fail(
    'state',
    found,
    `run Turnout as ${userName(owner)}, or hand the folder over: chown -R ${userName(uid())} ${word(state)}`,
  );
}

function unwritable(state: string, { uid: owner }: Stats): Finding | null {
  const paths = PARTS.map((part) => join(state, part)).filter((path) => existsSync(path));
  const bad = paths.map((path) => ({ path, why: denied(path) })).filter(({ why }) => why !== null);
  if (bad.length === 0) return null;
  const readOnly = bad.some(({ why }) => why === 'EROFS');
  return fail(
    'state',
    bad.map(({ path, why }) => `${path} cannot be written: ${why}`).join('\n'),
    readOnly
      ? 'the file system is mounted read-only: mount it for writing, or give `state` another place'
      : `chown -R ${userName(owner)} ${word(state)} && chmod -R u+rwX ${word(state)}`,
  );
}

/** nginx makes its sockets for everybody: only the folder keeps others from switching traffic. */
function open(state: string, { mode }: Stats): Finding | null {
  const gateway = join(state, 'gateway');
  const inner = existsSync(gateway) ? statSync(gateway).mode : 0o700;
  if (inner & 0o077)
    return fail('state', `${gateway} has mode ${octal(inner)}: others can switch traffic`, `chmod 700 ${word(gateway)}`);
  if (mode & 0o022)
    return warn('state', `${state} has mode ${octal(mode)}: others can replace its files`, `chmod 700 ${word(state)}`);
  return null;
}

function whole(state: string, { uid: owner, mode }: Stats, socket: string): Finding {
  return ok(
    'state',
    `${state}: owner ${userName(owner)}, mode ${octal(mode)}, writable, socket paths up to ${Buffer.byteLength(socket)} bytes`,
  );
}

/** Asks the kernel and writes nothing. A file wants no right to be entered. */
function denied(path: string): string | null {
  try {
    accessSync(path, constants.W_OK | (statSync(path).isDirectory() ? constants.X_OK : 0));
    return null;
  } catch (error) {
    return errorCode(error);
  }
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function uid(): number {
  return process.getuid?.() ?? 0;
}
