/** Every way in which Turnout says no: one code, one HTTP status, one exit code, one title, one hint. */
const TABLE = {
  usage: { status: 400, exit: 2, title: 'The request is not understood', hint: 'See `turnout help`.' },
  'invalid-body': { status: 400, exit: 2, title: 'The body is not valid', hint: 'Send a JSON object as docs/api.md shows it.' },
  'body-too-large': { status: 413, exit: 2, title: 'The body is too large', hint: 'Bodies are at most 64 KiB.' },
  'config-invalid': {
    status: 400,
    exit: 3,
    title: 'turnout.yaml is not valid',
    hint: 'Mend the line that is named; nothing was changed.',
  },
  'nginx-refused': {
    status: 400,
    exit: 3,
    title: 'nginx refuses the rendered configuration',
    hint: "nginx's own complaint is shown whole; nothing was changed.",
  },
  unauthorized: {
    status: 401,
    exit: 2,
    title: 'The token is missing or wrong',
    hint: 'Send `Authorization: Bearer <token>`; the token stands in <state>/token.',
  },
  'unknown-service': { status: 404, exit: 2, title: 'There is no such service', hint: '`turnout status` lists the services.' },
  'unknown-deployment': {
    status: 404,
    exit: 2,
    title: 'There is no such deployment',
    hint: '`turnout history` lists the deployments.',
  },
  'not-found': { status: 404, exit: 2, title: 'There is nothing here', hint: 'See docs/api.md for the calls that exist.' },
  'invalid-color': { status: 400, exit: 2, title: 'That is not a color', hint: 'A color is `blue` or `green`.' },
  'route-invalid': {
    status: 400,
    exit: 2,
    title: 'The route is not valid',
    hint: 'Mend the part that is named; nothing was changed.',
  },
  'not-ready': {
    status: 409,
    exit: 2,
    title: 'That color is not ready',
    hint: 'Deploy to it first, or switch with force if it runs.',
  },
  'no-route': { status: 404, exit: 8, title: 'The service has no route yet', hint: 'Deploy a release first.' },
  'method-not-allowed': {
    status: 405,
    exit: 2,
    title: 'That method does not exist here',
    hint: 'See docs/api.md for the calls that exist.',
  },
  locked: {
    status: 503,
    exit: 8,
    title: 'The gateway holds its lock too long',
    hint: 'A worker hangs; the sidecar restarts a gateway that does not answer.',
  },
  'nothing-to-roll-back-to': {
    status: 409,
    exit: 2,
    title: 'There is no release to go back to',
    hint: '`turnout history` shows what was deployed.',
  },
  'route-changed': {
    status: 412,
    exit: 6,
    title: 'The route changed in the meantime',
    hint: 'Read it again and decide anew; nothing was changed.',
  },
  busy: { status: 409, exit: 7, title: 'Another one is at work', hint: 'Wait until it has ended.' },
  'state-locked': {
    status: 409,
    exit: 7,
    title: 'Another sidecar owns this state folder',
    hint: 'Stop it first, or use another `state` folder.',
  },
  'runtime-unusable': { status: 503, exit: 8, title: 'The runtime cannot be used', hint: 'See the message for what failed.' },
  'image-unavailable': {
    status: 503,
    exit: 8,
    title: 'The image cannot be had',
    hint: 'Check its name, and `docker.registryAuth` when its registry asks who you are.',
  },
  'gateway-unusable': { status: 503, exit: 8, title: 'The gateway cannot be used', hint: 'See <state>/gateway/error.log.' },
  'service-serves': {
    status: 409,
    exit: 3,
    title: 'A service that serves would be removed',
    hint: 'Add --remove to drain and stop it; nothing was changed.',
  },
  'not-waiting': {
    status: 409,
    exit: 2,
    title: 'The deployment does not wait for promotion',
    hint: '`turnout status` shows its phase.',
  },
  'not-running': { status: 409, exit: 2, title: 'The deployment has ended', hint: '`turnout history` shows how.' },
  'not-persisted': {
    status: 507,
    exit: 8,
    title: 'The route could not be written to disk',
    hint: 'Free space or mend the rights of <state>/gateway/routes; nothing was changed.',
  },
  'disk-unusable': { status: 507, exit: 8, title: 'The state folder cannot be written', hint: 'Free space or mend its rights.' },
  'sidecar-unreachable': { status: 503, exit: 8, title: 'The sidecar does not answer', hint: 'Start it with `turnout up`.' },
  internal: { status: 500, exit: 1, title: 'Turnout failed', hint: 'Please report it with the log lines around it.' },
} as const;

export type ErrorCode = keyof typeof TABLE;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(TABLE, code);
}

/** RFC 9457 problem details, with Turnout's stable `code` and a `hint` of what to do. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  hint: string;
}

/** The one error class. `message` says what was found and what was expected; the code decides everything else. */
export class TurnoutError extends Error {
  readonly code: ErrorCode;
  /** What to do; the table's own hint unless the thrower knows better. */
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TurnoutError';
    this.code = code;
    this.hint = options.hint ?? TABLE[code].hint;
  }

  get exitCode(): number {
    return TABLE[this.code].exit;
  }

  toProblem(): Problem {
    const { status, title } = TABLE[this.code];
    return { type: `urn:turnout:error:${this.code}`, title, status, detail: this.message, code: this.code, hint: this.hint };
  }

  static from(error: unknown): TurnoutError {
    if (error instanceof TurnoutError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new TurnoutError('internal', message, { cause: error });
  }
}
