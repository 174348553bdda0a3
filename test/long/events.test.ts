import { get } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/processes.ts';
import { Turnout } from '../support/turnout.ts';

let turnout: Turnout;

afterEach(async () => {
  await turnout?.destroy();
});

interface Seen {
  id: number;
  kind: string;
}

/** One connection: reads until it is closed by either side; answers what came whole. */
function read(last: number | null, until: (seen: Seen[]) => boolean, limit: number): Promise<Seen[]> {
  return new Promise((resolve) => {
    const seen: Seen[] = [];
    let text = '';
    const headers = { authorization: `Bearer ${turnout.token()}`, ...(last === null ? {} : { 'last-event-id': String(last) }) };
    const asked = get({ host: '127.0.0.1', port: turnout.apiPort, path: '/v1/events', headers, agent: false }, (answer) => {
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const [, id, kind] = /^id: (\d+)\nevent: (\w+)\n/.exec(text.slice(0, end + 1)) ?? [];
          text = text.slice(end + 2);
          if (id !== undefined) seen.push({ id: Number(id), kind: kind as string });
          if (until(seen)) return done();
        }
      });
      answer.once('close', done);
      answer.on('error', () => undefined);
    });
    const timer = setTimeout(done, limit);
    function done(): void {
      clearTimeout(timer);
      asked.destroy();
      resolve(seen);
    }
    asked.on('error', done);
  });
}

test('a client that reconnects 50 times during deployments, and over a restart of the sidecar, misses no event and sees none twice', {
  timeout: 180_000,
}, async () => {
  turnout = await Turnout.start();
  let working = true;
  const work = (async () => {
    for (let round = 0; working; round++) {
      const target = round % 2 === 0 ? 'v2' : 'v1';
      await turnout.cli('deploy', '--release', target, '--force');
    }
  })();
  const seen: Seen[] = [];
  let connections = 0;
  let fruitful = 0;
  for (; connections < 50; connections++) {
    if (connections === 25) {
      await turnout.endSidecar('SIGKILL');
      await turnout.up();
    }
    // In the middle of whatever goes on: after so many events, or after a while.
    const some = 1 + (connections % 3);
    const got = await read(seen.at(-1)?.id ?? 0, (now) => now.length >= some, 150 + 20 * (connections % 10));
    if (got.length > 0) fruitful++;
    seen.push(...got);
  }
  working = false;
  await work;
  await eventually('no deployment runs', async () => (await turnout.view()).deployment?.phase === 'live');
  seen.push(...(await read(seen.at(-1)?.id ?? 0, () => false, 2000)));
  const all = await read(0, () => false, 2000);
  console.log(JSON.stringify({ connections, fruitful, events: all.length }));
  expect(seen).toEqual(all);
  expect(all.length).toBeGreaterThan(50);
  expect(all.map(({ id }) => id)).toEqual([...new Set(all.map(({ id }) => id))].sort((a, b) => a - b));
});

test('a deployment can be followed by its events alone, to its end', { timeout: 60_000 }, async () => {
  turnout = await Turnout.start();
  const accepted = await turnout.api('POST', '/v1/services/backend/deployments', { release: 'v2' });
  expect(accepted.status).toBe(202);
  // From the begin of history: the first release's own story comes before.
  const phases = (seen: Seen[]) => seen.filter(({ kind }) => kind === 'phase').length;
  const kinds = (await read(0, (now) => phases(now) === 8, 20_000)).map(({ kind }) => kind);
  const story = ['accepted', 'phase', 'phase', 'phase', 'flip', 'phase'];
  expect(kinds.slice(0, story.length)).toEqual(story);
  expect(kinds.slice(kinds.lastIndexOf('accepted'))).toEqual(story);
});
