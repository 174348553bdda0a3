import type { HealthConfig } from '../config/config.ts';

/** What one health check found. */
export interface Verdict {
  ok: boolean;
  /** Something answered HTTP, well or ill. */
  answered: boolean;
  /** True: our own machine could not ask, so nothing is known about the replica. */
  unasked?: boolean;
  /** For people: what was asked, what came, what was expected. */
  detail: string;
}

/** As much of an answer as a message shows. */
const SHOWN = 300;

/** Judges an answer by status and JSON expectations. `clean` takes secrets out, before the text is cut: half of one is one, too. */
export function judge(
  asked: string,
  status: number,
  body: string,
  expect: HealthConfig['expect'],
  clean: (text: string) => string = (text) => text,
): Verdict {
  const said = `${asked} answered ${status} ${clean(body).replace(/\s+/g, ' ').trim().slice(0, SHOWN)}`.trim();
  if (status !== expect.status) return { ok: false, answered: true, detail: `${said}, expected ${expect.status}` };
  const missing = Object.keys(expect.json).length === 0 ? null : mismatch(body, expect.json);
  return missing === null
    ? { ok: true, answered: true, detail: said }
    : { ok: false, answered: true, detail: `${said}, expected ${missing}` };
}

function mismatch(body: string, wanted: Record<string, unknown>): string | null {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return 'a JSON document';
  }
  return differs(document, wanted, '');
}

/** Every wanted key must be there with the wanted value; objects are compared key by key, more keys may stand beside them. */
function differs(found: unknown, wanted: unknown, path: string): string | null {
  if (typeof wanted === 'object' && wanted !== null && !Array.isArray(wanted)) {
    if (typeof found !== 'object' || found === null) {
      const key = Object.keys(wanted)[0];
      if (key === undefined) return `${path} to be an object`;
    }
    for (const [key, value] of Object.entries(wanted)) {
      const below = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined;
      const difference = differs(below, value, path === '' ? key : `${path}.${key}`);
      if (difference !== null) return difference;
    }
    return null;
  }
  return JSON.stringify(found) === JSON.stringify(wanted) ? null : `${path} to be ${JSON.stringify(wanted)}`;
}
