import { expect, test } from 'vitest';
import { COLORS, type Color, otherColor, type Route } from '../../../njs/route.ts';
import { decide } from '../../../sidecar/deploy/decide.ts';
import { type Observed, type ObservedReplica, replicasOf, takesTraffic } from '../../../sidecar/deploy/observed.ts';
import type { Step } from '../../../sidecar/deploy/step.ts';
import type { Phase } from '../../../sidecar/store/deployment.ts';
import { runningDeployment, type ServiceRecord } from '../../../sidecar/store/record.ts';
import { EMPTY, observed, routeTo, seen, trial, warm } from '../../support/builders.ts';
import { serviceConfig } from '../../support/builders-config.ts';
import { deployment, flipTo, record } from '../../support/builders-record.ts';

/** Every combination of what the world and the journal may say, whether or not it can come about. */
const NOW = 1_000_000;
const LONG_AGO = NOW - 900_000;
const CONFIGS = [serviceConfig({ keep: 0 }), serviceConfig({ keep: 1e9, drain: { timeout: 1e9 } })];

const ROUTES: Observed['route'][] = [null, 'unknown', ...COLORS.flatMap(routesTo)];

function routesTo(active: Color): Route[] {
  const other = otherColor(active);
  const idle = [EMPTY, { ...warm('v2'), ready: false }, warm('v2', 1, 2)].map((state) => routeTo(active, { [other]: state }));
  const split = { [active]: 90, [other]: 10 } as Route['weights'];
  return [...idle, { ...(idle[2] as Route), weights: split }];
}

/** What may live in a color: of an earlier deployment, of the running one, of both; dead or alive. */
function replicasIn(color: Color): ObservedReplica[][] {
  const old = seen({ color });
  const mine = seen({ color, deployment: 'new', release: 'v2' });
  const second = { ...mine, slot: 2, id: `${color}-2` };
  const dead = (one: ObservedReplica) => ({ ...one, alive: false });
  return [[], [old], [dead(old)], [mine], [dead(mine)], [old, second], [dead(old), second], [mine, second], [mine, dead(second)]];
}

const WORLDS: Observed[] = ROUTES.flatMap((route) =>
  replicasIn('blue').flatMap((inBlue) =>
    replicasIn('green').flatMap((inGreen) =>
      [true, false].map((calm) => {
        const resting = new Set(calm ? [] : ['blue-1', 'blue-2', 'green-1', 'green-2']);
        return observed({
          route,
          replicas: [...inBlue, ...inGreen],
          quiet: { blue: calm, green: calm },
          trial: trial({ proven: calm }),
          resting,
        });
      }),
    ),
  ),
);

const MOMENTS = [
  { idleSince: { blue: null, green: null }, retiringSince: { blue: null, green: null } },
  { idleSince: { blue: LONG_AGO, green: null }, retiringSince: { blue: LONG_AGO, green: null } },
  { idleSince: { blue: null, green: LONG_AGO }, retiringSince: { blue: null, green: LONG_AGO } },
  { idleSince: { blue: NOW - 10, green: NOW - 10 }, retiringSince: { blue: LONG_AGO, green: LONG_AGO } },
  { idleSince: { blue: LONG_AGO, green: LONG_AGO }, retiringSince: { blue: null, green: null } },
];

const PHASES: Phase[] = ['starting', 'gating', 'warming', 'waiting', 'switching', 'baking', 'live', 'failed'];

const RECORDS: ServiceRecord[] = MOMENTS.flatMap((moments) => [
  record(moments),
  ...COLORS.flatMap((color) =>
    PHASES.flatMap((phase) =>
      [null, { reason: 'unhealthy', message: 'sick' }].map((failing) => {
        const flips = [flipTo(otherColor(color), 'v1')];
        return record({
          ...moments,
          flips,
          failing,
          phaseSince: NOW - 5,
          deployments: [deployment({ phase, color, slots: [1, 2] })],
        });
      }),
    ),
  ),
]);

interface Case {
  step: Step;
  world: Observed;
  before: ServiceRecord;
}

const BEFORE = JSON.stringify([WORLDS, RECORDS]);

const CASES: Case[] = WORLDS.flatMap((world) =>
  RECORDS.flatMap((before) =>
    CONFIGS.flatMap((config) => {
      const step = decide(world, before, config, NOW);
      return step ? [{ step, world, before }] : [];
    }),
  ),
);

/** The first case that breaks the promise, to be shown; null when all keep it. Fails when no case was about it at all. */
function firstThat(breaks: (found: Case) => boolean, about: Step['do'][]): Case | null {
  const met = CASES.filter(({ step }) => about.includes(step.do));
  expect(met.length).toBeGreaterThan(100);
  return met.find(breaks) ?? null;
}

const colorOf = (step: Step) => (step as { color: Color }).color;
const routeOf = (world: Observed) => world.route as Route | null;

test('nothing is decided without knowing the route', () => {
  expect(CASES.find(({ world }) => world.route === 'unknown')).toBeUndefined();
});

test('a color with traffic is never retired, cleared, stopped, started into or registered anew', () => {
  const touches = ({ step, world }: Case) => takesTraffic(routeOf(world), colorOf(step));
  expect(firstThat(touches, ['retire', 'clear', 'stop', 'start', 'register'])).toBeNull();
});

test('a color is never stopped while the route names its slots', () => {
  const named = ({ step, world }: Case) => (routeOf(world)?.colors[colorOf(step)].slots.length ?? 0) > 0;
  expect(firstThat(named, ['stop'])).toBeNull();
});

test('a ready color with living replicas is never cleared, unless its deployment is lost', () => {
  const ready = ({ step, world, before }: Case) => {
    const color = colorOf(step);
    const lost = before.facts.failing !== null && runningDeployment(before)?.color === color;
    const living = replicasOf(world, color).filter((one) => one.alive && one.deployment !== 'new');
    return !lost && living.length > 0 && routeOf(world)!.colors[color].ready;
  };
  expect(firstThat(ready, ['clear'])).toBeNull();
});

test('a living replica of an earlier deployment is stopped only after a drain', () => {
  const undrained = ({ step, world, before }: Case) => {
    const { color, replicas } = step as Step & { do: 'stop' };
    const living = world.replicas.some((one) => replicas.includes(one.id) && one.alive && one.deployment !== 'new');
    const drained = before.retiringSince[color] !== null && (world.quiet[color] || NOW - LONG_AGO >= 30_000);
    const settled = before.idleSince[color] === null || NOW - before.idleSince[color] >= 1000;
    return living && !(drained && settled);
  };
  expect(firstThat(undrained, ['stop'])).toBeNull();
});

test('only replicas of the color itself are stopped', () => {
  const foreign = ({ step, world }: Case) => {
    const { color, replicas } = step as Step & { do: 'stop' };
    return world.replicas.some((one) => replicas.includes(one.id) && one.color !== color);
  };
  expect(firstThat(foreign, ['stop'])).toBeNull();
});

test('traffic is switched only to the color of a running deployment that is not lost and has only living replicas', () => {
  const wrong = ({ step, world, before }: Case) => {
    const running = runningDeployment(before);
    const mine = replicasOf(world, colorOf(step)).filter((one) => one.deployment === 'new');
    return (
      running?.color !== colorOf(step) || before.facts.failing !== null || mine.some((one) => !one.alive) || mine.length === 0
    );
  };
  expect(firstThat(wrong, ['switch'])).toBeNull();
});

test('a slot that rests is never revived, nor one whose replica lives', () => {
  const needless = ({ step, world }: Case) => {
    const { color, slot } = step as Step & { do: 'revive' };
    return world.resting.has(`${color}-${slot}`) || replicasOf(world, color).some((one) => one.slot === slot && one.alive);
  };
  expect(firstThat(needless, ['revive'])).toBeNull();
});

test('a color with traffic is rerouted only to slots that live, at least one of them healthy', () => {
  const wrong = ({ step, world }: Case) => {
    const { color, slots } = step as Step & { do: 'reroute' };
    const living = replicasOf(world, color).filter((one) => one.alive && slots.includes(one.slot));
    return slots.length === 0 || !takesTraffic(routeOf(world), color) || !living.some((one) => one.health.state === 'healthy');
  };
  expect(firstThat(wrong, ['reroute'])).toBeNull();
});

test('deciding changes neither what was observed nor the record', () => {
  expect(JSON.stringify([WORLDS, RECORDS])).toBe(BEFORE);
});
