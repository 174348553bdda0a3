import { setTimeout as sleep } from 'node:timers/promises';

import { TurnoutError } from '../../errors.ts';
import type { Engine } from './engine.ts';
import { refusal } from './engine.ts';

/** Milliseconds that the engine gets to take a container away: long, since it waits for mounts and disks. */
const LIMIT = 30_000;
const POLL = 50;

/** Ends what runs in it at once, and takes away its nameless volumes, too. Resolves when it is gone. */
export async function removeContainer(engine: Engine, container: string): Promise<void> {
  const wanted = `Container ${container} cannot be removed`;
  const deadline = performance.now() + LIMIT;
  for (;;) {
    try {
      await engine.open(wanted, (docker) => docker.getContainer(container).remove({ force: true, v: true }), LIMIT);
      return;
    } catch (error) {
      if (refusal(error) === 404) return;
      // Somebody else is about to remove it.
      if (refusal(error) !== 409) throw error;
    }
    const found = await engine.find(wanted, (docker) => docker.getContainer(container).inspect());
    if (!found) return;
    if (performance.now() > deadline)
      throw new TurnoutError('runtime-unusable', `${wanted}: still there after ${LIMIT / 1000} s`);
    await sleep(POLL);
  }
}
