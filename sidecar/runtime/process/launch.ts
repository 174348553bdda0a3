import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createServer } from 'node:net';

import { TurnoutError } from '../../errors.ts';

/** A stranger on the address would pass the health check in the replica's place. */
export async function requireFreeAddress(address: string): Promise<void> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(address.slice(colon + 1));
  const server = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
  if (failure?.code === 'EADDRINUSE') {
    throw new TurnoutError('runtime-unusable', `${address} is busy: another process holds it`, {
      hint: '`ss -ltnp` shows which one; end it, then try again.',
    });
  }
  if (failure) throw new TurnoutError('runtime-unusable', `${address} cannot be bound: ${failure.message}`, { cause: failure });
}

/** Spawning in a folder that is missing fails as if the program were. */
export async function requireFolder(cwd: string): Promise<void> {
  const hint = 'Create the folder, or mend `cwd`.';
  const found = await stat(cwd).catch(() => null);
  if (!found) throw new TurnoutError('runtime-unusable', `The folder to run in is missing: ${cwd}`, { hint });
  if (!found.isDirectory()) throw new TurnoutError('runtime-unusable', `Not a folder to run in: ${cwd}`, { hint });
  await access(cwd, constants.X_OK).catch(() => {
    throw new TurnoutError('runtime-unusable', `The folder to run in cannot be entered: ${cwd}`, { hint: 'Mend its rights.' });
  });
}

/**
 * Starts the command itself, no shell and no wrapper, in a session of its own: signals from the terminal don't reach it, and it
 * outlives the sidecar. Output goes to `fd`.
 */
export async function launch(command: string[], cwd: string, env: NodeJS.ProcessEnv, fd: number): Promise<ChildProcess> {
  const [program = '', ...args] = command;
  let child: ChildProcess;
  try {
    child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', fd, fd] });
  } catch (error) {
    throw refusal(program, error as NodeJS.ErrnoException);
  }
  if (child.pid === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
    throw refusal(program, error);
  }
  child.on('error', () => {});
  child.unref();
  return child;
}

/** Says the code and not Node's message, nor keeps it as the cause: that one may quote a variable's value. */
function refusal(program: string, { code = 'unknown' }: NodeJS.ErrnoException): TurnoutError {
  if (code === 'ENOENT') {
    return new TurnoutError('runtime-unusable', `There is no program "${program}" (ENOENT)`, {
      hint: 'Install it, mend `command` or PATH; for a script, see that the interpreter in its first line exists.',
    });
  }
  if (code === 'EACCES') {
    return new TurnoutError('runtime-unusable', `"${program}" may not be executed (EACCES)`, {
      hint: 'Make it executable (`chmod +x`), or name its interpreter first in `command`.',
    });
  }
  return new TurnoutError('runtime-unusable', `"${program}" cannot be started (${code})`);
}
