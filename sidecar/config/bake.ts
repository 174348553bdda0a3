import { z } from 'zod';
import { orNone } from './judge.ts';
import { strict } from './keys.ts';
import { cores, memory, regularExpression, share } from './limits.ts';
import { duration, integer } from './values.ts';

/** The text of a pattern is short for `{ pattern: text }`. */
const logErrors = z
  .unknown()
  .transform((value) => (typeof value === 'object' && value !== null ? value : { pattern: value }))
  .pipe(strict({ pattern: regularExpression(), max: integer(0, 1_000_000).default(0) }));

export const bakeSchema = strict({
  for: duration().default(60_000),
  minRequests: integer(1, 1_000_000).default(50),
  onInconclusive: z.enum(['pass', 'rollback'], { error: 'pass or rollback' }).default('pass'),
  maxErrorRate: share().default(0.01),
  maxP99: orNone(duration(1)).default(null),
  maxRestarts: integer(0, 1000).default(0),
  maxCpu: orNone(cores()).default(null),
  maxMemory: orNone(memory()).default(null),
  logErrors: orNone(logErrors).default(null),
}).prefault({});
