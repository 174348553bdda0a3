import { describe, expect, test } from 'vitest';
import { applyEvent, historyOf, previousRun, runningDeployment } from '../../../sidecar/store/record.ts';
import { event, record, recordAfter, written } from '../../support/builders-record.ts';

const { accepted, phase, failing, flip, retiring, retired } = event;

describe('a deployment', () => {
  test('runs from its acceptance to its end phase', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'));
    expect(runningDeployment(made)).toMatchObject({ id: 'd1', phase: 'starting', reason: 'accepted', finishedAt: null });
    applyEvent(made, written(phase('d1', 'gating'), 1), 1000);
    expect(runningDeployment(made)).toMatchObject({ phase: 'gating' });
    applyEvent(made, written(phase('d1', 'live', 'switched'), 2), 2000);
    expect(runningDeployment(made)).toBeNull();
    expect(made.deployments).toMatchObject([{ phase: 'live', reason: 'switched', finishedAt: '2026-01-01T00:00:02.000Z' }]);
    expect(made.deployments[0]?.steps.map((step) => [step.phase, step.since.slice(17, 19)])).toEqual([
      ['starting', '00'],
      ['gating', '01'],
      ['live', '02'],
    ]);
  });

  test.each(['live', 'failed', 'rolled-back', 'superseded', 'needs-operator'] as const)('has ended in %s', (end) => {
    expect(runningDeployment(recordAfter(accepted('d1', 'v1', 'blue'), phase('d1', end)))).toBeNull();
  });

  test('counts its phase from the moment that it was entered', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), phase('d1', 'gating'), flip('blue', 'v1'));
    expect(made.phaseSince).toBe(1000);
  });

  test('that is lost says why until the next one is accepted', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), failing('d1', 'unhealthy'));
    expect(made.facts.failing).toEqual({ reason: 'unhealthy', message: 'd1 is lost' });
    applyEvent(made, written(accepted('d2', 'v2', 'green'), 2), 2000);
    expect(made.facts.failing).toBeNull();
  });

  test('that nobody knows changes nothing', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), phase('d9', 'failed'));
    expect(made.deployments).toMatchObject([{ id: 'd1', phase: 'starting' }]);
    expect(made.phaseSince).toBe(0);
  });
});

describe('a flip', () => {
  const made = recordAfter(accepted('d1', 'v1', 'blue'), flip('blue', 'v1', 'd1'), accepted('d2', 'v2', 'green'));

  test('makes the other color idle from its moment on', () => {
    applyEvent(made, written(flip('green', 'v2', 'd2'), 5), 5000);
    expect(made.idleSince).toEqual({ blue: 5000, green: null });
    applyEvent(made, written(flip('blue', 'v1'), 6), 6000);
    expect(made.idleSince).toEqual({ blue: null, green: 6000 });
  });

  test('to the color of the running deployment tells how long that took', () => {
    expect(made.facts).toMatchObject({ switchedAfterMs: 3000, switchMs: null });
    const back = recordAfter(accepted('d1', 'v1', 'green'), flip('blue', 'v0'));
    expect(back.facts.switchedAfterMs).toBeNull();
  });

  test('ends every drain', () => {
    const draining = recordAfter(flip('blue', 'v1'), retiring('green'), flip('green', 'v2'));
    expect(draining.retiringSince).toEqual({ blue: null, green: null });
  });
});

describe('a retirement', () => {
  const live = () => [
    accepted('d1', 'v1', 'blue'),
    phase('d1', 'live'),
    accepted('d2', 'v2', 'green', 'v1'),
    phase('d2', 'live'),
  ];

  test('lasts from its begin to its end', () => {
    const made = recordAfter(...live(), retiring('blue'));
    expect(made.retiringSince).toEqual({ blue: 4000, green: null });
    applyEvent(made, written(retired('blue'), 5), 5000);
    expect(made.retiringSince).toEqual({ blue: null, green: null });
  });

  test('does not change the event that ended the deployment', () => {
    const events = live();
    const before = structuredClone(events);
    recordAfter(...events, retired('blue'));
    expect(events).toEqual(before);
  });

  test('completes the receipt of the deployment that took the traffic, once', () => {
    const made = recordAfter(...live(), retiring('blue'), retired('blue', 2, true), retired('blue', 9, false));
    const [first, second] = made.deployments;
    expect(first?.receipt?.retired).toBeNull();
    expect(second?.receipt?.retired).toEqual({ color: 'blue', inFlight: 2, limitHit: true, at: '2026-01-01T00:00:05.000Z' });
  });

  test('that was begun for a deployment which failed meanwhile completes the receipt of the one before', () => {
    const made = recordAfter(...live(), accepted('d3', 'v3', 'blue'), retiring('blue'), phase('d3', 'failed'), retired('blue'));
    expect(made.deployments.map((one) => one.receipt?.retired?.color ?? null)).toEqual([null, 'blue', null]);
  });

  test('after a first release is none of its business', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), phase('d1', 'live'), retiring('green'), retired('green'));
    expect(made.deployments[0]?.receipt?.retired).toBeNull();
  });

  test('of a color that made room for a deployment which failed completes no receipt of that one', () => {
    const made = recordAfter(...live(), accepted('d3', 'v3', 'blue'), retired('blue'), phase('d3', 'failed'));
    expect(made.deployments.map((one) => one.receipt?.retired?.color ?? null)).toEqual([null, 'blue', null]);
  });
});

describe('what is remembered of a deployment', () => {
  const told = [
    { kind: 'promoted' as const, service: 'backend', deployment: 'd1', by: 'ann' },
    { kind: 'hook' as const, service: 'backend', deployment: 'd1', hook: 'beforeSwitch', ok: false, message: 'exit 1' },
  ];

  test('is who promoted it and which hooks ran', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), ...told);
    expect(made.facts).toMatchObject({ promotedBy: 'ann', hooks: { beforeSwitch: false } });
  });

  test('is forgotten when the next one is accepted', () => {
    const made = recordAfter(accepted('d1', 'v1', 'blue'), ...told, failing('d1', 'x'), accepted('d2', 'v2', 'green'));
    expect(made.facts).toEqual(record().facts);
  });
});

describe('the release before', () => {
  test('is none until a second one has served', () => {
    expect(previousRun(record())).toBeNull();
    expect(previousRun(recordAfter(flip('blue', 'v1')))).toBeNull();
  });

  test('is the other one, however often it goes forth and back', () => {
    const flips = [flip('blue', 'v1')];
    for (const [color, release, before] of [
      ['green', 'v2', 'v1'],
      ['blue', 'v1', 'v2'],
      ['green', 'v2', 'v1'],
      ['blue', 'v1', 'v2'],
    ] as const) {
      flips.push(flip(color, release));
      expect(previousRun(recordAfter(...flips))?.release).toBe(before);
    }
  });

  test('is the last one that differs, when a release was deployed again', () => {
    expect(previousRun(recordAfter(flip('blue', 'v1'), flip('green', 'v2'), flip('blue', 'v2')))?.release).toBe('v1');
  });

  test('is found at once after 10,000 deployments, the last ones of which were all rolled back', () => {
    const told = [accepted('d', 'v0', 'blue'), flip('blue', 'v0', 'd'), phase('d', 'live')];
    for (let i = 1; i < 10_000; i++) {
      told.push(accepted(`d${i}`, `v${i}`, 'green'), flip('green', `v${i}`, `d${i}`), flip('blue', 'v0', `d${i}`));
      told.push(phase(`d${i}`, 'rolled-back'));
    }
    told.push(flip('green', 'last'));
    const made = recordAfter(...told);
    const begun = performance.now();
    expect(previousRun(made)?.release).toBe('v0');
    // Looking through all deployments for each flip took 33 s.
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  test('is never one without a name', () => {
    expect(previousRun(recordAfter(flip('blue', 'v1'), flip('green', null), flip('blue', 'v2')))?.release).toBe('v1');
  });
});

describe('the history', () => {
  test('tells deployments and flips by hand, newest first', () => {
    const made = recordAfter(
      accepted('d1', 'v1', 'blue'),
      flip('blue', 'v1', 'd1'),
      accepted('d2', 'v2', 'green'),
      flip('green', 'v2', 'd2'),
      flip('blue', 'v1', null, 'ann'),
      accepted('d3', 'v3', 'green'),
    );
    expect(historyOf(made).map(({ kind, release, by }) => [kind, release, by])).toEqual([
      ['deployment', 'v3', 'tester'],
      ['flip', 'v1', 'ann'],
      ['deployment', 'v2', 'tester'],
      ['deployment', 'v1', 'tester'],
    ]);
  });

  test('shows a flip with its color, its reason and no phase', () => {
    const [entry] = historyOf(recordAfter(flip('green', 'v2')));
    expect(entry).toMatchObject({ kind: 'flip', id: 'backend-1', color: 'green', phase: null, reason: 'manual-flip' });
    expect(entry).toMatchObject({ startedAt: '2026-01-01T00:00:00.000Z', finishedAt: '2026-01-01T00:00:00.000Z' });
  });

  test('shows a deployment with its present phase', () => {
    const [entry] = historyOf(recordAfter(accepted('d1', 'v1', 'blue'), phase('d1', 'gating', 'started')));
    expect(entry).toMatchObject({ kind: 'deployment', id: 'd1', phase: 'gating', reason: 'started', finishedAt: null });
  });
});

test('intents and outcomes change nothing', () => {
  const facts = { service: 'backend', deployment: 'd1', step: 'start blue 1' };
  const made = recordAfter({ kind: 'intent', ...facts }, { kind: 'outcome', ...facts, ok: false, detail: 'broken' });
  expect(made).toEqual(record());
});
