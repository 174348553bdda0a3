import { afterEach, describe, expect, test } from 'vitest';
import type { Deployment, Phase } from '../../sidecar/store/deployment.ts';
import { faulty } from '../support/faulty.ts';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

/** How to make a deployment of v2 stay in a phase for as long as the test needs. */
const STAY: Record<string, { fault: string; service: Record<string, unknown>; hold?: boolean }> = {
  // v1's former color is still being drained of a request.
  gating: { fault: 'export FAULT_START_DELAY_S=60', service: { health: { path: '/health', interval: '100ms', retries: 600 } } },
  warming: { fault: ':', service: { warm: [{ get: '/slow?ms=5000', count: 8 }] } },
  waiting: { fault: ':', service: { promote: 'manual' } },
  switching: { fault: ':', service: { hooks: { beforeSwitch: ['sh', '-c', '[ "$TURNOUT_RELEASE" = v1 ] || sleep 30'] } } },
  baking: { fault: ':', service: {} },
};

async function deployUpTo(phase: keyof typeof STAY): Promise<void> {
  const { fault, service } = STAY[phase] as (typeof STAY)[string];
  turnout = await Turnout.start({ service: faulty(fault, { bake: { for: '60s' }, ...service }) });
  expect((await turnout.cli('deploy', '--release', 'v2', '--no-wait')).code).toBe(0);
  await untilPhase(phase as Phase);
  // In gating the flip must find the slots in the route.
  await eventually('the route names green', async () => (await turnout.route()).colors.green.slots.length > 0);
}

async function untilPhase(phase: Phase): Promise<Deployment> {
  return eventually(`phase ${phase}\n${turnout.diagnosis()}`, async () => {
    const { deployment } = await turnout.view();
    return deployment?.phase === phase ? deployment : null;
  });
}

const flip = (color: string, query = '') => turnout.control('POST', `/v1/routes/backend/switch/${color}${query}`);

async function stays(phase: Phase): Promise<void> {
  const seen = (await turnout.view()).deployment;
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect((await turnout.view()).deployment).toMatchObject({ id: seen?.id, phase });
}

describe('to the old color, which serves', () => {
  test.each(['gating', 'warming', 'waiting', 'switching'] as const)(
    'in %s: 200, the generation unchanged, the deployment goes on',
    async (phase) => {
      await deployUpTo(phase);
      const before = await turnout.route();
      const answer = await flip('blue');
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toEqual(before);
      await stays(phase);
    },
  );

  test('in starting, while the color that it needs is drained: 200, the generation unchanged', async () => {
    turnout = await Turnout.start({ service: { bake: { for: '0s' } } });
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
    await turnout.cli('deploy', '--release', 'v3', '--no-wait');
    const { active, generation } = await turnout.route();
    const answer = await flip('green');
    expect({ status: answer.status, active }).toEqual({ status: 200, active: 'green' });
    expect(JSON.parse(answer.body).generation).toBeLessThanOrEqual(generation + 1);
    await untilPhase('live');
  });

  test('in baking: superseded by the manual flip, both colors stay, and nothing switches by itself', async () => {
    await deployUpTo('baking');
    const answer = await flip('blue');
    expect(answer.status).toBe(200);
    const ended = await untilPhase('superseded');
    expect(ended).toMatchObject({ reason: 'manual-flip' });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const view = await turnout.view();
    expect(view).toMatchObject({ active: 'blue', colors: { blue: { ready: true }, green: { ready: true } } });
    expect(view.colors.green.replicas).toHaveLength(1);
  });

  test('after live: it serves again, and the new color stays warm', async () => {
    turnout = await Turnout.start();
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(0);
    expect((await flip('blue')).status).toBe(200);
    await eventually('the flip is seen', async () => (await turnout.history())[0]?.kind === 'flip');
    const view = await turnout.view();
    expect(view).toMatchObject({ active: 'blue', deployment: { phase: 'live' }, colors: { green: { ready: true } } });
  });
});

describe('to the new color', () => {
  test('in starting, while it is empty: 409, also with force', async () => {
    turnout = await Turnout.start();
    for (const query of ['', '?force=1']) expect((await flip('green', query)).status).toBe(409);
  });

  test.each(['gating', 'warming'] as const)('in %s: 409, and the deployment goes on', async (phase) => {
    await deployUpTo(phase);
    const answer = await flip('green');
    expect({ status: answer.status, code: JSON.parse(answer.body).code }).toEqual({ status: 409, code: 'not-ready' });
    await stays(phase);
  });

  test.each(['gating', 'warming'] as const)(
    'in %s with force: the remaining checks are skipped, recorded, and it bakes',
    async (phase) => {
      await deployUpTo(phase);
      expect((await flip('green', '?force=1')).status).toBe(200);
      const deployment = await untilPhase('baking');
      expect(deployment).toMatchObject({
        reason: 'manual-flip',
        message: expect.stringContaining('the remaining checks were skipped'),
      });
      expect((await turnout.history()).map((one) => one.kind)).toContain('flip');
    },
  );

  test.each(['waiting', 'switching'] as const)('in %s: it is promotion and goes on with baking', async (phase) => {
    await deployUpTo(phase);
    expect((await flip('green')).status).toBe(200);
    const deployment = await untilPhase('baking');
    expect(deployment).toMatchObject({ reason: 'manual-flip', message: 'promoted by control-api' });
  });

  test('in baking: 200, the generation unchanged, it goes on', async () => {
    await deployUpTo('baking');
    const before = await turnout.route();
    const answer = await flip('green');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual(before);
    await stays('baking');
  });

  test('after it has failed: 409, it is empty', async () => {
    turnout = await Turnout.start({ service: faulty('exit 1') });
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(4);
    for (const query of ['', '?force=1']) expect((await flip('green', query)).status).toBe(409);
  });

  test('after it was rolled back: 409, it is not ready', async () => {
    turnout = await Turnout.start({
      service: faulty('export FAULT_UNHEALTHY_AFTER_S=1.5', { bake: { for: '20s' }, drain: { timeout: '20s' } }),
    });
    expect((await turnout.cli('deploy', '--release', 'v2')).code).toBe(5);
    expect((await flip('green')).status).toBe(409);
    expect((await turnout.view()).active).toBe('blue');
  });
});
