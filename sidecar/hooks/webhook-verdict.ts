/** What one try has come to. `final`: trying again would change nothing. */
export type Verdict = { ok: true } | { ok: false; final: boolean; detail: string };

/** Of the 4xx these alone speak of a moment: timeout, too early, too many. */
const PASSING = [408, 425, 429];

export function judgeStatus(status: number): Verdict {
  if (status >= 200 && status < 300) return { ok: true };
  const final = status >= 400 && status < 500 && !PASSING.includes(status);
  const redirect = status >= 300 && status < 400 ? '; redirects are not followed' : '';
  return { ok: false, final, detail: `answered ${status}, expected 2xx${redirect}` };
}

/** Says the code and not the message: that one may quote the URL. */
export function judgeError(error: unknown): Verdict {
  const { code, name } = error as NodeJS.ErrnoException;
  return { ok: false, final: false, detail: `gave no answer: ${code ?? name}` };
}
