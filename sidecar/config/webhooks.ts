import { z } from 'zod';
import type { Secret, WebhookConfig } from './config.ts';
import { strict } from './keys.ts';
import type { Problems } from './problems.ts';
import { keepSecret } from './redact.ts';
import type { Path, Source } from './source.ts';
import { scalar } from './values.ts';
import { expand } from './variables.ts';

const URL_EXPECTED = 'an http:// or https:// address such as https://example.org/hook, or a variable that holds one';
const SECRET_EXPECTED = 'a variable from the environment such as ${WEBHOOK_SECRET}';

/** Both texts are judged below, once their variables are filled in. */
export const webhooksSchema = z
  .array(
    strict({
      url: z.string({ error: URL_EXPECTED }),
      format: z.enum(['json', 'slack'], { error: 'json or slack' }).default('json'),
      // A number too, so that no message about its type shows it.
      secret: scalar(SECRET_EXPECTED).optional(),
    }),
    { error: 'a list of maps with the key url' },
  )
  .default([]);

interface Webhooks {
  webhooks: Pick<WebhookConfig, 'url' | 'secret'>[];
  secrets: Secret[];
}

/**
 * The addresses and secrets with their variables filled in. Reads the raw data, so that its problems are told together with those
 * that the schema found. None of them shows a value, not even one that is in the file: many an address is a password as a whole.
 */
export function readWebhooks(source: Source, variables: NodeJS.ProcessEnv, problems: Problems): Webhooks {
  const secrets: Secret[] = [];
  const list = source.get(['webhooks']);
  const webhooks = (Array.isArray(list) ? list : []).map((_, index) => ({
    url: readUrl(source, ['webhooks', index, 'url'], variables, problems, secrets) ?? '',
    secret: readSecret(source, ['webhooks', index, 'secret'], variables, problems, secrets) ?? null,
  }));
  return { webhooks, secrets };
}

function readUrl(source: Source, path: Path, variables: NodeJS.ProcessEnv, problems: Problems, secrets: Secret[]) {
  // Anything else is the schema's to refuse.
  if (typeof source.get(path) !== 'string') return undefined;
  const { text, complete } = fill(source, path, variables, problems, secrets);
  if (complete && !isWebAddress(text)) {
    problems.add(
      source.place(path).offset,
      `found an address that cannot be called (not shown, it may be secret), expected ${URL_EXPECTED}`,
    );
  }
  return text;
}

function readSecret(source: Source, path: Path, variables: NodeJS.ProcessEnv, problems: Problems, secrets: Secret[]) {
  const raw = source.get(path);
  if (raw === undefined || raw === null || typeof raw === 'object') return undefined;
  const { text, used, complete } = fill(source, path, variables, problems, secrets);
  const { offset } = source.place(path);
  if (!complete) return text;
  // The default of a variable is in the file, too.
  if (used.length === 0) problems.add(offset, `found a secret in plain text (not shown), expected ${SECRET_EXPECTED}`);
  else if (text === '') problems.add(offset, `found a secret that is empty, expected ${SECRET_EXPECTED} with a value`);
  return text;
}

function fill(source: Source, path: Path, variables: NodeJS.ProcessEnv, problems: Problems, secrets: Secret[]) {
  const { text, used, problems: sentences } = expand(source.text(path), variables);
  for (const sentence of sentences) problems.add(source.place(path).offset, sentence);
  for (const variable of used) keepSecret(secrets, variable, variables[variable]!);
  return { text, used, complete: sentences.length === 0 };
}

/** Spaces and line breaks, which `URL` would drop, are refused: what is called must be what is written. */
function isWebAddress(text: string): boolean {
  return /^https?:\/\/[^\s\\]+$/i.test(text) && URL.canParse(text);
}
