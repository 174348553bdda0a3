import { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** For a transform that knows by the value which schema it has to meet, and then speaks with its words. */
export function judge<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  context: z.RefinementCtx,
  say = (issue: Issue) => issue.message,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.issues.push({ ...issue, message: say(issue) } as z.core.$ZodRawIssue);
  return z.NEVER;
}

/** `none` is null: there is no such limit, or no such thing. `none` is also how the message names it. */
export function orNone<Schema extends z.ZodType>(schema: Schema, none = 'none') {
  return z.unknown().transform((value, context): z.output<Schema> | null => {
    if (value === 'none') return null;
    return judge(schema, value, context, ({ path, code, message }) =>
      path.length === 0 && code !== 'unrecognized_keys' ? `${message}, or ${none}` : message,
    );
  });
}
