import { afterEach, expect, test } from 'vitest';
import { Turnout } from '../support/turnout.ts';

/** Milliseconds from accepted to switched, for a release that is healthy as soon as it runs. */
const LIMIT = 700;

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test('an at once healthy release into an empty color is switched within 700 ms', async () => {
  turnout = await Turnout.start({ service: { bake: { for: '0s' } } });
  expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
  const [deployment] = await turnout.deployments();
  console.log(
    `switched after ${deployment?.receipt?.switchedAfterMs} ms, of which the write of the route took ${deployment?.receipt?.switchMs} ms`,
  );
  expect(deployment?.receipt?.switchedAfterMs).toBeLessThanOrEqual(LIMIT);
});
