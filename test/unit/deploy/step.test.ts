import { expect, test } from 'vitest';
import { describeStep, type Step } from '../../../sidecar/deploy/step.ts';

test.each([
  [{ do: 'start', color: 'blue', slots: [1, 2] }, 'start blue 1,2'],
  [{ do: 'revive', color: 'green', slot: 3 }, 'revive green 3'],
  [{ do: 'fail', reason: 'unhealthy', message: 'sick', replica: null }, 'fail unhealthy'],
  [{ do: 'enter', phase: 'live', reason: 'switched', message: '' }, 'enter live'],
  [{ do: 'replace', color: 'green', slot: 2 }, 'replace green 2'],
  [{ do: 'reroute', color: 'blue', slots: [1, 3], out: [2], why: 'sick' }, 'reroute blue 1,3'],
  [{ do: 'hook', hook: 'afterLive' }, 'hook afterLive'],
  [{ do: 'switch-back', color: 'blue' }, 'switch-back blue'],
  [{ do: 'stop', color: 'blue', replicas: ['x'] }, 'stop blue'],
  [{ do: 'switch', color: 'green' }, 'switch green'],
] satisfies [Step, string][])('%o reads "%s"', (step, text) => {
  expect(describeStep(step)).toBe(text);
});
