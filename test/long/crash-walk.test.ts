import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isEnd } from '../../sidecar/store/deployment.ts';
import { startLoad } from '../support/load.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/**
 * A deployment whose sidecar dies at its n-th journal line, for every n until it ends by itself. One Turnout for all of
 * them: each deployment goes to the color that the one before has left.
 */
test('a sidecar killed at every journal step of a deployment under load: 0 failed requests, and an end phase each time', {
  timeout: 900_000,
}, async () => {
  turnout = await Turnout.start({ service: { bake: { for: '500ms' }, keep: '0s', drain: { timeout: '5s' } } });
  const load = startLoad({ origin: turnout.origin, connections: 4 });
  const ends: Record<string, number> = {};
  let steps = 0;
  for (let n = 1, survived = false; !survived; n++) {
    for (const when of ['before', 'after']) {
      // Everything of the deployment before has ended, so that n counts the lines of this one.
      await eventually(
        'the old color is gone',
        async () => {
          const { active, colors } = await turnout.view();
          return colors[active === 'blue' ? 'green' : 'blue'].replicas.length === 0;
        },
        20_000,
      );
      await turnout.endSidecar('SIGKILL');
      await turnout.up({ TURNOUT_CRASH_AT: `${n}.${when}` });
      await eventually('health is known', async () => {
        const { active, colors } = await turnout.view();
        return active !== null && colors[active].replicas.every((one) => one.health === 'healthy');
      });
      const release = `r${n}-${when}`;
      await turnout.cli('deploy', '--release', release, '--no-wait');
      // Ended and tidied up by itself, or dead: lines are also written after the end, while the old color retires.
      const settled = await eventually(
        'the sidecar died, or the deployment ended and the old color is gone',
        async () => {
          if (turnout.child?.exitCode !== null || turnout.child.signalCode !== null) return 'died';
          const view = await turnout.view().catch(() => null);
          if (!view?.deployment || view.deployment.release !== release || !isEnd(view.deployment.phase)) return null;
          return view.deployment.receipt?.retired ? 'ended' : null;
        },
        30_000,
      );
      survived = settled === 'ended';
      if (settled === 'died') await turnout.up();
      const last = await eventually(
        `an end phase after ${n}.${when}\n${turnout.diagnosis()}`,
        async () => {
          const [newest] = await turnout.deployments();
          return newest && isEnd(newest.phase) ? newest : null;
        },
        30_000,
      );
      ends[last.phase] = (ends[last.phase] ?? 0) + 1;
      steps++;
    }
  }
  const report = await load.stop();
  const lines = readFileSync(join(turnout.state, 'journal.jsonl'), 'utf8').trim().split('\n').length;
  console.log(JSON.stringify({ steps, ends, lines, requests: report.total, longestGapMs: report.longestGapMs }));
  expect(report.failed, `${JSON.stringify(report.failures)}\n${turnout.diagnosis()}`).toBe(0);
  expect(report.wrongBodies).toBe(0);
});
