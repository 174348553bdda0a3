import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Answer } from '../../../njs/answer.ts';
import { change, switchTo } from '../../../njs/change.ts';
import type { Route } from '../../../njs/route.ts';
import { routeTo, warm } from '../../support/builders.ts';

const AT = '2026-02-02T00:00:00.000Z';
const SETS = { '1': true, '2': true, '1-2': true } as const;
beforeAll(() => {
  vi.stubGlobal('turnout_gateway', { routes: '/x/', services: { backend: SETS } });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

const current = routeTo('blue', { green: warm('v2', 1, 2) });
const wanted = { active: 'blue', weights: { blue: 90, green: 10 }, colors: current.colors };
const put = (body: unknown, ifMatch?: string, held: Route | null = current) => change('backend', held, body, ifMatch, 'ann', AT);
const flip = (route: Route, { to = 'green' as const, ifMatch = undefined as string | undefined, force = false } = {}) =>
  switchTo(route, to, ifMatch, force, 'ann', AT);

/** Status, code and detail of a refusal. */
function refusal(answer: Route | Answer) {
  const { status, body, etag } = answer as Answer;
  const { code, detail } = body as { code: string; detail: string };
  return { status, code, detail, etag };
}

describe('a put', () => {
  test('replaces the route, one generation on, with who and when', () => {
    expect(put(wanted)).toEqual({ ...current, weights: { blue: 90, green: 10 }, generation: 8, changedBy: 'ann', changedAt: AT });
  });

  test('of the first route begins with generation 1', () => {
    expect(put(wanted, '"0"', null)).toMatchObject({ generation: 1 });
  });

  test('does not take generation, who, when and unknown parts from the body', () => {
    const colors = { ...current.colors, blue: { ...warm('v1'), extra: 1 } };
    const body = { ...wanted, colors, service: 'backend', generation: 99, changedBy: 'mallory', changedAt: 'never', extra: 1 };
    expect(put(body)).toEqual({ ...(put(wanted) as Route), colors: current.colors });
  });

  test('is refused for another service', () => {
    expect(refusal(put({ ...wanted, service: 'other' }))).toMatchObject({
      status: 400,
      detail: 'service is "other", expected "backend"',
    });
  });

  test('is refused for a set of slots that was not rendered, naming those that were', () => {
    const answer = put({ ...wanted, colors: { ...current.colors, green: warm('v2', 1, 3) } });
    expect(refusal(answer)).toMatchObject({ status: 400, code: 'route-invalid' });
    expect(refusal(answer).detail).toBe('colors.green.slots is [1,3], expected one of the rendered sets: 1 2 1-2');
    expect((answer as Answer).body).toHaveProperty('sets', ['1', '2', '1-2']);
  });

  test('is refused for weights that are wrong', () => {
    const detail = 'weights sum to 101, expected 100';
    expect(refusal(put({ ...wanted, weights: { blue: 91, green: 10 } }))).toMatchObject({
      status: 400,
      code: 'route-invalid',
      detail,
    });
  });

  test('is refused for an active color without weight', () => {
    const detail = 'weights.blue is 0, but blue is the active color';
    expect(refusal(put({ ...wanted, weights: { blue: 0, green: 100 } }))).toMatchObject({ status: 400, detail });
  });

  test.each([null, [], 'text'])('of %j is refused', (body) => {
    expect(refusal(put(body))).toMatchObject({ status: 400, detail: 'expected a JSON object' });
  });

  test('with a stale If-Match is refused as stale even when its body is wrong too', () => {
    expect(refusal(put(null, '"6"'))).toMatchObject({ status: 412, code: 'route-changed', etag: 7 });
  });
});

describe('If-Match', () => {
  test.each(['7', '"7"', ' "7" ', '*', ' * ', undefined])('%j matches generation 7', (ifMatch) => {
    expect(put(wanted, ifMatch)).toMatchObject({ generation: 8 });
    expect(flip(current, { ifMatch })).toMatchObject({ generation: 8 });
  });

  test.each(['6', '"8"', '"07"', '7.0', 'W/"7"', '"7', '""', '', '"6", "7"', '**'])('%j does not', (ifMatch) => {
    const detail = `If-Match is ${ifMatch}, the generation is "7"`;
    expect(refusal(put(wanted, ifMatch))).toEqual({ status: 412, code: 'route-changed', detail, etag: 7 });
    expect(refusal(flip(current, { ifMatch }))).toEqual({ status: 412, code: 'route-changed', detail, etag: 7 });
  });

  test('0 matches only a service without a route', () => {
    expect(refusal(put(wanted, '"0"'))).toMatchObject({ status: 412 });
    expect(refusal(put(wanted, '"7"', null))).toMatchObject({ status: 412, etag: 0 });
  });
});

describe('a switch', () => {
  test('gives all traffic to the color, one generation on', () => {
    expect(flip(current)).toEqual({
      ...current,
      generation: 8,
      active: 'green',
      weights: { blue: 0, green: 100 },
      changedBy: 'ann',
      changedAt: AT,
    });
  });

  test('leaves the route that it was decided on as it was', () => {
    const before = structuredClone(current);
    flip(current);
    put(wanted);
    expect(current).toEqual(before);
  });

  test('to the color that serves already changes nothing, forced or not', () => {
    const serving = { status: 200, etag: 7, body: current };
    expect(flip(current, { to: 'blue' as never })).toEqual(serving);
    expect(flip(current, { to: 'blue' as never, force: true })).toEqual(serving);
  });

  test('to the color that serves changes nothing even when it is not ready', () => {
    const unready = routeTo('green', { green: { ready: false } });
    expect(flip(unready)).toMatchObject({ status: 200, etag: 7 });
  });

  test('to the serving color with a stale If-Match is refused', () => {
    expect(refusal(flip(routeTo('green'), { ifMatch: '"6"' }))).toMatchObject({ status: 412 });
  });

  test('ends a split, in both directions', () => {
    const split = routeTo('blue', { green: warm('v2'), weights: { blue: 90, green: 10 } });
    expect(flip(split)).toMatchObject({ active: 'green', weights: { blue: 0, green: 100 }, generation: 8 });
    expect(flip(split, { to: 'blue' as never })).toMatchObject({
      active: 'blue',
      weights: { blue: 100, green: 0 },
      generation: 8,
    });
  });

  test('to a color that is not ready is refused unless forced', () => {
    const unready = routeTo('blue', { green: { slots: [1], release: 'v2' } });
    expect(refusal(flip(unready))).toMatchObject({ status: 409, code: 'not-ready', detail: 'green of backend is not ready' });
    expect(flip(unready, { force: true })).toMatchObject({ active: 'green', generation: 8, colors: unready.colors });
  });

  test('to an empty color is always refused', () => {
    const empty = routeTo('blue', { green: { ready: true } });
    const detail = 'green of backend is empty: nothing runs there';
    expect(refusal(flip(empty))).toMatchObject({ status: 409, code: 'not-ready', detail });
    expect(refusal(flip(empty, { force: true }))).toMatchObject({ status: 409, detail });
  });
});
