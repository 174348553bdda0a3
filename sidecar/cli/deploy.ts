import { systemClock } from '../clock.ts';
import { expectedDuration, parseDuration } from '../config/duration.ts';
import { TurnoutError } from '../errors.ts';
import { type Deployment, isEnd } from '../store/deployment.ts';
import type { ApiClient } from './api-client.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { DONE, exitCodeOf, INTERRUPTED, WAIT_TIMED_OUT } from './exit.ts';
import { Happenings } from './happenings.ts';
import { print, printJson, progress } from './output.ts';
import { describeReceipt } from './receipt.ts';

/** Milliseconds between two looks at a running deployment while no event tells that there is something to see. */
const LOOK = 1000;
/** Milliseconds between two tries while another deployment runs. */
const LOCK_LOOK = 500;
/** Milliseconds that a sidecar may take to come back. */
const RESTART = 30_000;

/** Phases that a pipeline may stop at: ready for `promote`, or with the traffic. */
const UNTIL = ['waiting', 'baking'];

export interface DeployOptions extends Common {
  release: string;
  image?: string;
  force?: boolean;
  /** Wait for `promote` before the switch. */
  hold?: boolean;
  /** Stop following once it has reached this phase. */
  until?: string;
  /** How long to wait for another deployment to end first. */
  lockWait?: string;
  /** commander's `--no-wait` */
  wait: boolean;
  waitTimeout?: string;
}

type Accepted = Deployment & { noop: boolean };

export async function deploy(named: string | undefined, options: DeployOptions): Promise<number> {
  const limit = options.waitTimeout === undefined ? Number.POSITIVE_INFINITY : durationOf('--wait-timeout', options.waitTimeout);
  if (options.until !== undefined && !UNTIL.includes(options.until))
    throw new TurnoutError('usage', `--until is "${options.until}", expected ${UNTIL.join(' or ')}`);
  const { config, api } = await connect(options);
  const service = serviceOf(config, named);
  const body = {
    release: options.release,
    image: options.image ?? null,
    force: options.force ?? false,
    hold: options.hold ?? false,
  };
  const lockWait = options.lockWait === undefined ? 0 : durationOf('--lock-wait', options.lockWait);
  const { noop, ...deployment } = await accepted(lockWait, () => api.post<Accepted>(`/v1/services/${service}/deployments`, body));
  if (noop) {
    if (options.json) printJson({ ...deployment, noop });
    else print(`${options.release} is live and healthy in ${deployment.color} already: nothing to do (--force deploys it again)`);
    return DONE;
  }
  if (!options.wait) {
    if (options.json) printJson(deployment);
    else print(deployment.id);
    return DONE;
  }
  return follow(api, deployment, limit, options);
}

/** Tries again for so many milliseconds while another deployment runs. */
async function accepted(lockWait: number, post: () => Promise<Accepted>): Promise<Accepted> {
  const until = systemClock.now() + lockWait;
  for (let told = false; ; told = true) {
    try {
      return await post();
    } catch (error) {
      if (TurnoutError.from(error).code !== 'busy' || systemClock.now() >= until) throw error;
      if (!told) progress(`waiting: ${(error as Error).message}`);
      await systemClock.sleep(LOCK_LOOK);
    }
  }
}

/** Shows a deployment's phases as they come, until it ends. Ctrl-C only stops watching. */
export async function follow(
  api: ApiClient,
  accepted: Deployment,
  limit: number,
  options: Common & { until?: string },
): Promise<number> {
  // From its begin: what happens before the stream is open would be seen only at the next look.
  const events = new Happenings(api, `after=0&deployment=${accepted.id}`);
  try {
    return await watch(api, accepted, limit, options, events);
  } finally {
    events.end();
  }
}

async function watch(
  api: ApiClient,
  accepted: Deployment,
  limit: number,
  options: Common & { until?: string },
  events: Happenings,
): Promise<number> {
  const detached = new AbortController();
  process.once('SIGINT', () => detached.abort());
  const started = systemClock.now();
  let shown = 0;
  let said = '';
  let deployment = accepted;
  for (;;) {
    for (const step of deployment.steps.slice(shown)) {
      if (options.json) printJson({ deployment: deployment.id, service: deployment.service, ...step });
      else
        progress(
          `${((Date.parse(step.since) - Date.parse(deployment.startedAt)) / 1000).toFixed(1).padStart(6)} s  ${step.phase}: ${step.message}`,
        );
    }
    if (!options.json && deployment.message !== said && shown === deployment.steps.length)
      progress(`          ${deployment.message}`);
    said = deployment.message;
    shown = deployment.steps.length;
    if (isEnd(deployment.phase)) break;
    if (deployment.steps.some((step) => step.phase === options.until)) {
      if (options.json) printJson(deployment);
      return DONE;
    }
    if (detached.signal.aborted) {
      progress(`detached; deployment ${deployment.id} goes on: turnout status ${deployment.service}`);
      return INTERRUPTED;
    }
    if (systemClock.now() - started > limit) {
      progress(`still ${deployment.phase}; deployment ${deployment.id} goes on: turnout status ${deployment.service}`);
      return WAIT_TIMED_OUT;
    }
    await events.wait(LOOK, detached.signal);
    deployment = await lookAgain(api, deployment);
  }
  if (options.json) printJson(deployment);
  else print(summary(deployment));
  return exitCodeOf(deployment.phase);
}

/** A sidecar that restarts goes on with its deployments: it is waited for. */
async function lookAgain(api: ApiClient, deployment: Deployment): Promise<Deployment> {
  const until = systemClock.now() + RESTART;
  for (let told = false; ; told = true) {
    try {
      return await api.get<Deployment>(`/v1/deployments/${deployment.id}`);
    } catch (error) {
      if (TurnoutError.from(error).code !== 'sidecar-unreachable' || systemClock.now() >= until) throw error;
      if (!told) progress(`the sidecar does not answer; deployment ${deployment.id} goes on when it is back`);
      await systemClock.sleep(LOCK_LOOK);
    }
  }
}

function summary(deployment: Deployment): string {
  const { release, color, phase, reason, message, previous, receipt } = deployment;
  const proof = receipt ? [describeReceipt(receipt)] : [];
  if (phase !== 'live') return [`${phase}: ${release} (${reason}): ${message}`, ...oldRelease(deployment), ...proof].join('\n');
  return [`live: ${release} in ${color}${previous === null ? '' : `; before: ${previous}`}`, ...proof].join('\n');
}

function oldRelease({ phase, previous }: Deployment): string[] {
  if (previous === null) return [];
  if (phase === 'failed') return [`${previous} serves as before`];
  return phase === 'rolled-back' ? [`${previous} serves again`] : [];
}

function durationOf(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new TurnoutError('usage', `${option} is "${text}", expected ${expectedDuration(text)}`);
}
