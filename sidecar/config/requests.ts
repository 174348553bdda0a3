import { z } from 'zod';
import { strict } from './keys.ts';
import { duration, integer, matching } from './values.ts';

/** What Turnout itself asks a new color, and which answer it takes for a good one. */

const PATH = 'a path that starts with / and has no spaces, such as /health';

/** Goes into a request line as it is. A query may follow; a fragment would never be sent. */
export function requestPath(none = PATH) {
  return matching(/^\/[\x21\x22\x24-\x7e]*$/, (issue) => (issue.input === 'none' ? none : PATH));
}

export const answerSchema = strict({
  status: integer(200, 599).default(200),
  json: z.record(z.string(), z.unknown(), { error: 'a map of the keys and values that the answer must have' }).default({}),
});

export const warmSchema = z
  .array(
    strict({ get: requestPath(), count: integer(1, 10_000).default(20) }).transform(({ get, ...rest }) => ({
      path: get,
      ...rest,
    })),
    { error: 'a list of requests such as [{ get: /, count: 20 }]' },
  )
  .default([]);

/** Without a default for `timeout` here: it depends on `health.timeout`. */
export const smokeSchema = z
  .array(
    strict({ get: requestPath(), timeout: duration(1).optional(), expect: answerSchema.prefault({}) }).transform(
      ({ get, ...rest }) => ({ path: get, ...rest }),
    ),
    { error: 'a list of checks such as [{ get: /api/ping, expect: { status: 200 } }]' },
  )
  .default([]);
