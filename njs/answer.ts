/** Answers of the control API; problems have the shape of RFC 9457. */
import type { Route } from './route.ts';

export interface Answer {
  status: number;
  body: object;
  etag?: number;
  allow?: string;
}

export function problem(status: number, code: string, detail: string, hint: string): Answer {
  return { status, body: { type: `urn:turnout:error:${code}`, title: code.replace(/-/g, ' '), status, detail, code, hint } };
}

export function routeAnswer(route: Route): Answer {
  return { status: 200, etag: route.generation, body: route };
}
