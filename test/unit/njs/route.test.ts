import { describe, expect, test } from 'vitest';
import {
  formatRoute,
  isColor,
  otherColor,
  parseRoute,
  plainUpstream,
  type Route,
  routeProblem,
  slotSets,
  upstreamName,
} from '../../../njs/route.ts';
import { routeTo, warm } from '../../support/builders.ts';

test('there are two colors', () => {
  expect(['blue', 'green', 'Blue', '', null, undefined, 1].map(isColor)).toEqual([true, true, false, false, false, false, false]);
  expect([otherColor('blue'), otherColor('green')]).toEqual(['green', 'blue']);
});

describe('the sets of slots', () => {
  const named = (maxReplicas: number) => slotSets(maxReplicas).map((set) => set.join('-'));

  test('are every subset of up to three', () => {
    expect(named(1)).toEqual(['1']);
    expect(named(2).sort()).toEqual(['1', '1-2', '2']);
    expect(named(3).sort()).toEqual(['1', '1-2', '1-2-3', '1-3', '2', '2-3', '3']);
  });

  test('are beyond that every prefix, and every prefix without one', () => {
    const four = ['1-2-3-4', '2-3-4', '1-3-4', '1-2-4'];
    expect(named(4)).toEqual([...named(3), ...four]);
    expect(named(5)).toEqual([...named(4), '1-2-3-4-5', '2-3-4-5', '1-3-4-5', '1-2-4-5', '1-2-3-5']);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('of %i are distinct, ascending and within the slots', (maxReplicas) => {
    const sets = slotSets(maxReplicas);
    expect(new Set(named(maxReplicas)).size).toBe(sets.length);
    for (const set of sets) {
      expect(set.length).toBeGreaterThan(0);
      expect(set).toEqual([...new Set(set)].sort((a, b) => a - b));
      expect(set[0]).toBeGreaterThanOrEqual(1);
      expect(set.at(-1)).toBeLessThanOrEqual(maxReplicas);
    }
  });

  test.each([4, 5, 6, 7, 8])('of %i have all slots, and all but any one', (maxReplicas) => {
    const all = Array.from({ length: maxReplicas }, (_, index) => index + 1);
    const wanted = [all, ...all.map((out) => all.filter((slot) => slot !== out))].map((set) => set.join('-'));
    expect(named(maxReplicas)).toEqual(expect.arrayContaining(wanted));
  });
});

describe('the upstream', () => {
  test('is named by service, color and slots', () => {
    expect(upstreamName('backend', 'blue', [1, 3])).toBe('backend.blue.1-3');
  });

  test('of a plain route is that of the active color', () => {
    expect(plainUpstream(routeTo('green', { blue: warm('v1'), green: { slots: [1, 2] } }))).toBe('backend.green.1-2');
  });

  test('of a split is none', () => {
    expect(plainUpstream(routeTo('blue', { green: warm('v2'), weights: { blue: 99, green: 1 } }))).toBe('');
  });
});

describe('a route', () => {
  const good = routeTo('blue', { green: warm('v2', 1, 2) });
  const blue = good.colors.blue;
  const withBlue = (state: object) => ({ ...good, colors: { ...good.colors, blue: { ...blue, ...state } } });

  test.each([
    ['all traffic to one color', good],
    ['a split', { ...good, weights: { blue: 95, green: 5 } }],
    ['an empty other color', routeTo('green')],
    ['a release without a name', withBlue({ release: null })],
    ['a serving color that is not ready', withBlue({ ready: false })],
    ['no word on pausing', { ...good, paused: undefined }],
    ['parts that nobody knows', { ...good, extra: 1 }],
  ])('may have %s', (_, route) => {
    expect(routeProblem(route)).toBeNull();
  });

  test.each([
    [null, 'expected a JSON object'],
    [[], 'expected a JSON object'],
    ['text', 'expected a JSON object'],
    [{ ...good, active: 'red' }, 'active is "red", expected "blue" or "green"'],
    [{ ...good, active: undefined }, 'active is undefined, expected "blue" or "green"'],
    [{ ...good, weights: undefined }, 'weights is missing'],
    [{ ...good, weights: null }, 'weights is missing'],
    [{ ...good, colors: undefined }, 'colors is missing'],
    [{ ...good, colors: null }, 'colors is missing'],
    [{ ...good, weights: { blue: 100 } }, 'weights.green is undefined, expected an integer from 0 to 100'],
    [{ ...good, weights: { blue: 99.5, green: 0.5 } }, 'weights.blue is 99.5, expected an integer'],
    [{ ...good, weights: { blue: '100', green: 0 } }, 'weights.blue is "100", expected an integer'],
    [{ ...good, weights: { blue: 110, green: -10 } }, 'weights.blue is 110, expected an integer'],
    [{ ...good, weights: { blue: 100, green: -1 } }, 'weights.green is -1, expected an integer'],
    [{ ...good, weights: { blue: 90, green: 5 } }, 'weights sum to 95, expected 100'],
    [{ ...good, weights: { blue: 0, green: 100 } }, 'weights.blue is 0, but blue is the active color'],
    [{ ...good, colors: { blue } }, 'colors.green is missing'],
    [{ ...good, colors: { blue, green: null } }, 'colors.green is missing'],
    [withBlue({ slots: undefined }), 'colors.blue.slots is undefined, expected ascending slot numbers'],
    [withBlue({ slots: '1' }), 'colors.blue.slots is "1"'],
    [withBlue({ slots: [0] }), 'colors.blue.slots is [0]'],
    [withBlue({ slots: [1.5] }), 'colors.blue.slots is [1.5]'],
    [withBlue({ slots: ['1'] }), 'colors.blue.slots is ["1"]'],
    [withBlue({ slots: [2, 1] }), 'colors.blue.slots is [2,1]'],
    [withBlue({ slots: [1, 1] }), 'colors.blue.slots is [1,1]'],
    [withBlue({ slots: [] }), 'weights.blue is 100, but blue has no slots: nothing runs there'],
    [withBlue({ release: 1 }), 'colors.blue.release is 1, expected a string or null'],
    [withBlue({ release: undefined }), 'colors.blue.release is undefined'],
    [withBlue({ ready: 'yes' }), 'colors.blue.ready is "yes", expected true or false'],
    [{ ...good, paused: true }, 'paused is true, expected false'],
  ])('%j is refused: %s', (value, reason) => {
    expect(routeProblem(value)).toContain(reason);
  });

  test('is the same after it was written and read', () => {
    const text = formatRoute(good);
    expect(text.endsWith('}\n')).toBe(true);
    expect(parseRoute('backend', text)).toEqual(good);
  });

  test('that is torn anywhere is none', () => {
    const text = formatRoute(good).trim();
    for (let length = 0; length < text.length; length++) expect(parseRoute('backend', text.slice(0, length))).toBeNull();
  });

  test.each([
    ['of another service', { ...good, service: 'frontend' }],
    ['without a generation', { ...good, generation: undefined }],
    ['with half a generation', { ...good, generation: 1.5 }],
    ['with a problem', { ...good, active: 'red' }],
  ])('%s is none', (_, route) => {
    expect(parseRoute('backend', formatRoute(route as Route))).toBeNull();
  });

  test('that is missing is none', () => {
    expect([undefined, '', 'null', '[]', '7'].map((text) => parseRoute('backend', text))).toEqual([null, null, null, null, null]);
  });
});
