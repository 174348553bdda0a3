import { Agent, request } from 'undici';

/** Milliseconds that nothing but the signal should ever have to cut short. */
const CONNECT_LIMIT = 10_000;

export interface Post {
  headers: Record<string, string>;
  body: string;
  /** Ends it, answered or not. */
  signal: AbortSignal;
}

/** POSTs once and tells the status as soon as it is known. Follows no redirect. Rejects when there was no answer. */
export type Send = (url: string, post: Post) => Promise<{ status: number }>;

/**
 * Each over a connection of its own: events are rare, and a POST on a connection that the receiver is just closing is lost.
 * A connect listens to the signal by itself only in this way; it would hold up a stop for its whole limit.
 */
export const sendByUndici: Send = async (url, { headers, body, signal }) => {
  const { username, password } = new URL(url);
  const login = username || password ? `${decodeURIComponent(username)}:${decodeURIComponent(password)}` : null;
  const authorization = login === null ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  const agent = new Agent({ connect: { timeout: CONNECT_LIMIT, signal } });
  try {
    const answer = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: { ...headers, ...authorization },
      body,
      signal,
      reset: true,
    });
    // The rest of the answer means nothing, and may never come.
    answer.body.on('error', () => {}).destroy();
    return { status: answer.statusCode };
  } finally {
    void agent.destroy();
  }
};
