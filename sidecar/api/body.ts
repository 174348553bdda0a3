import { z } from 'zod';
import { IMAGE, IMAGE_EXAMPLE } from '../config/docker.ts';
import { isRelease, RELEASE } from '../config/values.ts';
import { TurnoutError } from '../errors.ts';

/** Reads a request's body; an unknown or wrong field is refused with what was expected. */
export function readBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new TurnoutError('invalid-body', problems.join('; '));
}

const color = z.enum(['blue', 'green'], { error: (issue) => `found ${JSON.stringify(issue.input)}, expected "blue" or "green"` });
const release = z
  .string({ error: (issue) => `found ${JSON.stringify(issue.input)}, expected a label such as "v2"` })
  .refine(isRelease, { error: (issue) => `found ${JSON.stringify(issue.input)}, expected ${RELEASE}` });

const image = z
  .string({ error: (issue) => `found ${JSON.stringify(issue.input)}, expected an image such as "registry.example/backend:v2"` })
  .regex(IMAGE, { error: (issue) => `found ${JSON.stringify(issue.input)}, expected ${IMAGE_EXAMPLE}` });

export const deployBody = z.strictObject({
  release,
  image: image.nullable().default(null),
  force: z.boolean().default(false),
  hold: z.boolean().default(false),
});
export const switchBody = z.strictObject({ color, force: z.boolean().default(false) });
export const emptyBody = z.strictObject({});
export const reloadBody = z.strictObject({ remove: z.boolean().default(false) });
