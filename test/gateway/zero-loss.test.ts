import { afterEach, expect, test } from 'vitest';
import { otherColor } from '../../njs/route.ts';
import { startLoad } from '../support/load.ts';
import { Turnout } from '../support/turnout.ts';

const REQUESTS = 200_000;
const FLIPS = 300;
const DEPLOYMENTS = 10;

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

test('no request is lost or answered by the wrong color through 300 flips and 10 deployments', { timeout: 240_000 }, async () => {
  turnout = await Turnout.start();
  // Both colors run and are ready, so that every flip finds somewhere to go.
  expect((await turnout.cli('deploy', '--release', 'v0')).code).toBe(0);
  const { active } = await turnout.route();
  const load = startLoad({ origin: turnout.origin, connections: 64 });
  load.expectColor(active);
  let flips = 0;
  for (let deployed = 1; deployed <= DEPLOYMENTS; deployed++) {
    for (let i = 0; i < FLIPS / DEPLOYMENTS; i++) {
      const target = otherColor((await turnout.route()).active);
      load.flipStarted(target);
      const answer = await turnout.control('POST', `/v1/routes/backend/switch/${target}`);
      expect(answer.status, answer.body).toBe(200);
      load.expectColor(target);
      flips++;
      // A share of the requests for each flip, so that both the flips and the load go on to the end.
      const share = load.total + (0.8 * REQUESTS) / FLIPS;
      await until(() => load.total >= share);
    }
    const target = otherColor((await turnout.route()).active);
    load.flipStarted(target);
    const { code, stderr } = await turnout.cli('deploy', '--release', `v${deployed}`);
    expect(code, stderr).toBe(0);
    load.expectColor(target);
  }
  await until(() => load.total >= REQUESTS);
  const report = await load.stop();
  const { total, checked, perSecond, longestGapMs, byColor } = report;
  console.log(JSON.stringify({ flips, deployments: DEPLOYMENTS, total, checked, perSecond, longestGapMs, byColor }));
  const said = `${JSON.stringify(report, null, 1)}\n${turnout.diagnosis()}`;
  expect(report.failed, said).toBe(0);
  expect(report.wrongBodies, said).toBe(0);
  expect(report.staleCount, said).toBe(0);
  expect(flips).toBeGreaterThanOrEqual(FLIPS);
  expect(total).toBeGreaterThanOrEqual(REQUESTS);
  expect(checked).toBe(total);
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 2));
}
