import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Color } from '../../njs/route.ts';
import { COLORS } from '../../njs/route.ts';
import { isEnd } from '../../sidecar/store/deployment.ts';
import { serviceConfig } from '../support/builders-config.ts';
import { type Nature, SERVICE, World } from './world.ts';

const RUNS = Number(process.env.TURNOUT_MODEL_RUNS ?? 200);

const config = serviceConfig({
  name: SERVICE,
  health: { interval: 1000, timeout: 1000, retries: 10 },
  promoteTimeout: 60_000,
  bake: { ...serviceConfig().bake, for: 5000 },
  drain: { timeout: 3000 },
  stop: { signal: 'SIGTERM', timeout: 1000 },
  keep: 10_000,
});

type Action =
  | { do: 'deploy'; nature: Nature; hold: boolean; force: boolean }
  | { do: 'abort' | 'promote' | 'restart' | 'heal' }
  | { do: 'flip'; color: Color; force: boolean }
  | { do: 'kill' | 'flap'; color: Color }
  | { do: 'gateway'; to: 'silent' | 'killed' | 'lost' }
  | { do: 'full'; ms: number }
  | { do: 'hold'; color: Color; count: number }
  | { do: 'hand'; before: string; color: Color; force: boolean }
  | { do: 'crash'; appends: number; when: 'before' | 'after' }
  | { do: 'jump' | 'pass'; ms: number };

const nature: fc.Arbitrary<Nature> = fc.record({
  healthyAfter: fc.constantFrom(0, 100, 3000, null),
  diesAfter: fc.constantFrom(null, null, null, 2000, 8000),
  errors: fc.constantFrom(0, 0, 0, 30),
});
const color = fc.constantFrom(...COLORS);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deploy' as const), nature, hold: fc.boolean(), force: fc.boolean() }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(50, 300, 1000, 4000, 15_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('flip' as const), color, force: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('abort' as const, 'promote' as const, 'restart' as const, 'heal' as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'flap' as const), color }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      appends: fc.integer({ min: 1, max: 20 }),
      when: fc.constantFrom('before' as const, 'after' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('gateway' as const),
      to: fc.constantFrom('silent' as const, 'killed' as const, 'lost' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hand' as const),
      before: fc.constantFrom('register', 'ready', 'switch', 'switch-back', 'reroute', 'replace', 'retire', 'clear', 'stop'),
      color,
      force: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('full' as const), ms: fc.constantFrom(0, 15_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('hold' as const), color, count: fc.integer({ min: 0, max: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.constantFrom(-3_600_000, -5000, 5000, 3_600_000) }),
  },
);

async function perform(world: World, step: Action, number: number): Promise<void> {
  const ignore = () => undefined;
  const { commands } = world.conductor;
  switch (step.do) {
    case 'deploy': {
      const release = `r${number}`;
      world.natures.set(release, step.nature);
      await commands
        .deploy({ release, image: null, digest: null, force: step.force, hold: step.hold, by: 'model' })
        .catch(ignore);
      return;
    }
    case 'abort':
    case 'promote':
      for (const id of world.running) await commands[step.do](id, 'model').catch(ignore);
      return;
    case 'flip':
      await world.gateway.switch(SERVICE, step.color, { force: step.force, by: 'hand' }).catch(ignore);
      return;
    case 'kill':
      for (const replica of await world.replicas()) if (replica.color === step.color) world.kill(replica);
      return;
    case 'flap':
      world.flapping.add(`${step.color}-1`);
      return;
    case 'heal':
      heal(world);
      return;
    case 'gateway':
      if (step.to === 'silent') world.gateway.silent = true;
      else world.gateway.restart({ losing: step.to === 'lost' });
      return;
    case 'full':
      world.diskFull = true;
      world.gateway.full = true;
      await world.pass(step.ms);
      return;
    case 'hold':
      world.gateway.hold(SERVICE, step.color, step.count);
      return;
    case 'hand':
      world.handAt = { before: step.before, color: step.color, force: step.force };
      return;
    case 'crash':
      world.crashAt = { appends: step.appends, when: step.when };
      return;
    case 'restart':
      await world.restart();
      return;
    case 'jump':
      world.clock.jump(step.ms);
      world.jumped = true;
      return;
    case 'pass':
      await world.pass(step.ms);
  }
}

function heal(world: World): void {
  world.flapping.clear();
  world.gateway.silent = false;
  world.gateway.full = false;
  world.diskFull = false;
}

/** After any story everything that went wrong ends, and long enough a time passes. */
async function end(world: World): Promise<void> {
  heal(world);
  world.crashAt = null;
  // Faults that only time would show are over, too: what runs by now stays.
  for (const [release, one] of world.natures) world.natures.set(release, { ...one, diesAfter: null });
  // A release that a hand forced to serve gets well, too: only so can a lost route be written anew.
  const serving = world.record.flips.at(-1)?.release ?? '';
  world.natures.set(serving, { ...world.natureOf(serving), healthyAfter: 100 });
  await world.pass(180_000);
}

test(`whatever happens in whatever order: ${RUNS} stories, the invariants hold in each`, { timeout: 600_000 }, async () => {
  const ends = new Map<string, number>();
  let crashes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 25 }), async (story) => {
      const world = new World(config);
      await world.pass(2000);
      let number = 2;
      for (const step of story) {
        await perform(world, step, number++);
        await world.pass(10);
      }
      await end(world);
      await world.conductor.stop();
      crashes += world.crashes;
      for (const one of world.record.deployments) ends.set(one.phase, (ends.get(one.phase) ?? 0) + 1);
      const told = () => world.lines.map((line) => JSON.stringify(line)).join('\n');
      expect(world.violations, told()).toEqual([]);
      expect(
        world.record.deployments.filter((one) => !isEnd(one.phase)),
        told(),
      ).toEqual([]);
      // Nothing is left behind: what runs is what the route names.
      const route = await world.gateway.route(SERVICE);
      const named = COLORS.flatMap((one) => (route?.colors[one].slots ?? []).map((slot) => `${one}-${slot}`));
      const left = (await world.replicas()).map((one) => `${one.color}-${one.slot}`);
      expect(left.sort(), told()).toEqual(named.sort());
      expect(world.conductor.durable).toBe(true);
    }),
    { numRuns: RUNS, endOnFailure: false },
  );
  console.log(JSON.stringify({ runs: RUNS, crashes, ends: Object.fromEntries(ends) }));
});
