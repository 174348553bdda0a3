import { z } from 'zod';
import { plainText } from './values.ts';

/** The program and its arguments: what is executed, with no shell between. */
export function words(example: string) {
  const error = `a list of the program and its arguments such as ${example}`;
  return z
    .array(plainText('a word of the command (a number needs quotes)'), {
      error: (issue) => (typeof issue.input === 'string' ? `${error}, not one string: no shell takes it apart` : error),
    })
    .min(1, { error });
}
