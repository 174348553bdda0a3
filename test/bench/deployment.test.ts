import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';
import { assertQuiet } from './cpu.ts';
import { keep } from './results.ts';
import { type Spread, spread } from './statistics.ts';

const DEPLOYMENTS = 11;

export interface Deployed {
  deployments: number;
  /** Milliseconds in each phase, in the order they come in. */
  phases: { phase: string; took: Spread }[];
  /** From accepted to switched, and what of it the gateway's write of the route took. */
  switchedAfter: Spread;
  switch: Spread;
}

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test('a whole deployment by phase', async () => {
  await assertQuiet();
  turnout = await Turnout.start({ service: { keep: '0s' } });
  for (let i = 0; i < DEPLOYMENTS; i++) {
    expect((await turnout.cli('deploy', '--release', `v${i + 2}`)).code).toBe(0);
    // The next one would wait until the color that it goes to has been drained.
    await eventually('the old color is gone', async () => (await turnout.deployments())[0]?.receipt?.retired != null);
  }
  const deployments = (await turnout.deployments()).slice(0, DEPLOYMENTS);
  const phases = deployments.map(({ steps }) =>
    steps
      .slice(0, -1)
      .map(({ phase, since }, i) => ({ phase, took: Date.parse(steps[i + 1]?.since as string) - Date.parse(since) })),
  );
  const names = (phases[0] ?? []).map(({ phase }) => phase);
  const result = {
    deployments: deployments.length,
    phases: names.map((phase) => ({
      phase,
      took: spread(
        phases
          .flat()
          .filter((one) => one.phase === phase)
          .map(({ took }) => took),
      ),
    })),
    switchedAfter: spread(deployments.map(({ receipt }) => receipt?.switchedAfterMs as number)),
    switch: spread(deployments.map(({ receipt }) => receipt?.switchMs as number)),
  };
  keep('deployment', result);
  expect(names).toEqual(expect.arrayContaining(['starting', 'gating', 'switching']));
});
