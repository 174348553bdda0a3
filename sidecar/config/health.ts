import { z } from 'zod';
import { orNone } from './judge.ts';
import { strict } from './keys.ts';
import { answerSchema, requestPath } from './requests.ts';
import { duration, integer } from './values.ts';

const WHY = 'a release gets traffic only after its health check has passed';
const ON_PURPOSE = 'health: none to say on purpose that there is no check';

const healthMap = strict({
  path: requestPath('a path such as /health; health: none, which means no check, takes no other keys'),
  interval: duration(1).default(1000),
  timeout: duration(1).default(5000),
  retries: integer(1, 100_000).default(30),
  successes: integer(1, 1000).default(1),
  failures: integer(1, 1000).default(3),
  expect: answerSchema.prefault({}),
});

/** `/path` is short for `{ path: /path }`. */
const check = z
  .unknown()
  .superRefine((value, context) => {
    if (value !== undefined && value !== null) return;
    context.addIssue({ code: 'custom', message: `a path such as /health or a map with the key path, because ${WHY}` });
  })
  .transform((value) => (typeof value === 'string' ? { path: value } : value))
  .pipe(healthMap);

/** Without a check the other keys keep their defaults: `timeout` is the one of smoke checks too. */
export const healthSchema = orNone(check, ON_PURPOSE).transform(
  (health) => health ?? { ...healthMap.parse({ path: '/' }), path: null },
);
