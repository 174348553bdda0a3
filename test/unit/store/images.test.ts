import { describe, expect, test } from 'vitest';
import type { Color } from '../../../njs/route.ts';
import type { JournalEvent } from '../../../sidecar/store/events.ts';
import { unneededImages } from '../../../sidecar/store/images.ts';
import { previousRun } from '../../../sidecar/store/record.ts';
import { event, recordAfter } from '../../support/builders-record.ts';

const { accepted, phase, flip } = event;

let count = 0;

/** A deployment of an image from its acceptance to its end; without an end it still runs. */
function deployed(
  release: string,
  digest: string,
  color: Color,
  end: 'live' | 'failed' | 'rolled-back' | null = 'live',
): JournalEvent[] {
  const id = `d${++count}`;
  const begun = { ...accepted(id, release, color), image: `app:${release}` } as JournalEvent;
  const other = color === 'blue' ? 'green' : 'blue';
  return [
    begun,
    { kind: 'prepared', service: 'backend', deployment: id, digest },
    ...(end === 'live' || end === 'rolled-back' ? [flip(color, release, id)] : []),
    ...(end === 'rolled-back' ? [flip(other, 'before', id)] : []),
    ...(end ? [phase(id, end)] : []),
  ];
}

describe('the way back', () => {
  test('is to exactly the image that served before, whatever its label means by now', () => {
    const made = recordAfter(...deployed('v1', 'app@1', 'blue'), ...deployed('v2', 'app@2', 'green'));
    expect(previousRun(made)).toEqual({ release: 'v1', image: 'app:v1', digest: 'app@1' });
  });

  test('is to the image before of the same label, too', () => {
    const made = recordAfter(...deployed('latest', 'app@1', 'blue'), ...deployed('latest', 'app@2', 'green'));
    expect(previousRun(made)).toEqual({ release: 'latest', image: 'app:latest', digest: 'app@1' });
  });

  test('is none where the same image was only deployed again', () => {
    expect(previousRun(recordAfter(...deployed('v1', 'app@1', 'blue'), ...deployed('v1', 'app@1', 'green')))).toBeNull();
  });
});

describe('the way back after a release that was rolled back', () => {
  test('is to what served before the present one, not to the one that went bad', () => {
    const made = recordAfter(
      ...deployed('v1', 'app@1', 'blue'),
      ...deployed('v2', 'app@2', 'green'),
      accepted('d-bad', 'bad', 'blue'),
      { kind: 'prepared', service: 'backend', deployment: 'd-bad', digest: 'app@bad' },
      flip('blue', 'bad', 'd-bad'),
      flip('green', 'v2', 'd-bad'),
      phase('d-bad', 'rolled-back'),
    );
    expect(previousRun(made)).toMatchObject({ release: 'v1', digest: 'app@1' });
    // And so its image stays, although no color holds it any more.
    expect(unneededImages([made])).toEqual([]);
  });
});

describe('images that nothing needs', () => {
  test('are those behind the present and the one before', () => {
    const made = recordAfter(
      ...deployed('v1', 'app@1', 'blue'),
      ...deployed('v2', 'app@2', 'green'),
      ...deployed('v3', 'app@3', 'blue'),
      ...deployed('v4', 'app@4', 'green'),
    );
    expect(unneededImages([made])).toEqual(['app@1', 'app@2']);
  });

  test('are not those that a running deployment has fetched', () => {
    const made = recordAfter(
      ...deployed('v1', 'app@1', 'blue'),
      ...deployed('v2', 'app@2', 'green'),
      ...deployed('v3', 'app@3', 'blue', null),
    );
    expect(unneededImages([made])).toEqual([]);
  });

  test('are those of failed deployments, once another one has begun', () => {
    const before = [...deployed('v1', 'app@1', 'blue'), ...deployed('v2', 'app@2', 'green')];
    const made = recordAfter(...before, ...deployed('bad', 'app@bad', 'blue', 'failed'), ...deployed('v3', 'app@3', 'blue'));
    expect(unneededImages([made])).toEqual(['app@1', 'app@bad']);
  });

  test('are not those to which a rollback goes after failed deployments in between', () => {
    const before = [...deployed('v1', 'app@1', 'blue'), ...deployed('v2', 'app@2', 'green')];
    const failed = [1, 2, 3].flatMap((n) => deployed(`bad${n}`, `app@bad${n}`, 'blue', 'failed'));
    expect(unneededImages([recordAfter(...before, ...failed)])).toEqual(['app@bad1', 'app@bad2']);
  });

  test('are not those that another service needs', () => {
    const old = recordAfter(
      ...deployed('v1', 'app@1', 'blue'),
      ...deployed('v2', 'app@2', 'green'),
      ...deployed('v3', 'app@3', 'blue'),
    );
    const other = recordAfter(...deployed('v1', 'app@1', 'blue'));
    expect(unneededImages([old])).toEqual(['app@1']);
    expect(unneededImages([old, other])).toEqual([]);
  });

  test('are none where nothing is an image', () => {
    expect(unneededImages([recordAfter(accepted('d1', 'v1', 'blue'), flip('blue', 'v1', 'd1'), phase('d1', 'live'))])).toEqual(
      [],
    );
  });
});
