import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInspectInfo } from 'dockerode';

import { TurnoutError } from '../../errors.ts';
import type { StopOptions } from '../runtime.ts';
import type { Engine } from './engine.ts';
import { refusal } from './engine.ts';
import type { ReplicaTable } from './replica-table.ts';

/** Milliseconds between two looks at what is known, and between two questions to the engine. */
const POLL = 20;
const ASK = 500;
/** Milliseconds that the kernel gets to end a container after SIGKILL: long, since one that waits for a disk can't hear. */
const KILL_LIMIT = 10_000;

/** Ends what runs in a container, and leaves it dead. `id`: of the replica that is to end. */
export async function endContainer(
  engine: Engine,
  table: ReplicaTable,
  { container, id }: { container: string; id: string },
  options: StopOptions,
): Promise<void> {
  const wanted = `Container ${container} cannot be stopped`;
  const info = await engine.find(wanted, (docker) => docker.getContainer(container).inspect());
  // One that waits to be restarted runs, as the engine sees it.
  if (!info?.State.Running || info.State.Restarting) return;

  if (isItsOwn(info, options)) {
    // All in one by the engine, which also keeps the restart policy from acting, and goes on when this process ends.
    const t = options.timeout / 1000;
    await unlessOver(
      engine.open(wanted, (docker) => docker.getContainer(container).stop({ t }), options.timeout + KILL_LIMIT + ASK),
    );
    return;
  }

  const isOver = watchEnd(table, container, id);
  await unlessOver(engine.ask(wanted, (docker) => docker.getContainer(container).update({ RestartPolicy: { Name: 'no' } })));
  const kill = (signal: string) => unlessOver(engine.ask(wanted, (docker) => docker.getContainer(container).kill({ signal })));
  if (options.timeout > 0) {
    await kill(options.signal);
    if (await isOver(options.timeout)) return;
  }
  await kill('SIGKILL');
  if (await isOver(KILL_LIMIT)) return;
  throw new TurnoutError('runtime-unusable', `${wanted}: still running ${KILL_LIMIT / 1000} s after SIGKILL`, {
    hint: 'It hangs in the kernel (state D in `ps`): look at its disks and mounts.',
  });
}

/** What the engine would do by itself; it counts whole seconds. */
function isItsOwn({ Config }: ContainerInspectInfo, { signal, timeout }: StopOptions): boolean {
  const own = (Config as { StopSignal?: string }).StopSignal || 'SIGTERM';
  return own === signal && timeout > 0 && timeout % 1000 === 0;
}

/** 304, 404, 409: stopped, gone, not running. That is what was wanted. */
async function unlessOver(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if (![304, 404, 409].includes(refusal(error) ?? 0)) throw error;
  });
}

/** Answers whether it has ended within so many milliseconds. What the engine tells is believed, and asked for now and then. */
function watchEnd(table: ReplicaTable, container: string, id: string): (limit: number) => Promise<boolean> {
  return async (limit) => {
    const deadline = performance.now() + limit;
    let asked = performance.now();
    for (;;) {
      const known = table.get(container);
      if (known?.id !== id || !known.alive) return true;
      const now = performance.now();
      if (now > deadline) return false;
      if (now - asked > ASK) {
        asked = now;
        await table.look(container);
      } else {
        await sleep(Math.min(POLL, deadline - now));
      }
    }
  };
}
