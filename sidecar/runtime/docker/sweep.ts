import type { Engine } from './engine.ts';
import { LABEL, readLabels } from './labels.ts';
import type { Launcher } from './launch.ts';
import { removeContainer } from './removal.ts';
import { shortId } from './replica.ts';

/** Milliseconds that a container may be there without being started: another sidecar may be about to do so. */
const FRESH = 10_000;

/** Removes containers with our mark that are no replicas. Answers their ids. */
export async function sweepContainers(engine: Engine, network: string, launcher: Launcher): Promise<string[]> {
  const swept = await launcher.clean();
  const filters = { label: [`${LABEL.network}=${network}`] };
  const found = await engine.ask('The containers cannot be listed', (docker) => docker.listContainers({ all: true, filters }));
  const strays = found.filter(({ State, Created, Labels }) => {
    if (launcher.isUnderway(Labels) || Labels[LABEL.role] !== undefined) return false;
    const isOld = Date.now() - Created * 1000 > FRESH;
    return readLabels(Labels) === null || (State === 'created' && isOld);
  });
  for (const { Id } of strays) {
    await removeContainer(engine, shortId(Id));
    swept.push(shortId(Id));
  }
  return swept;
}
