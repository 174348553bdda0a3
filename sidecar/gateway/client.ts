import { Agent, request } from 'undici';
import type { Guard } from '../../njs/guard.ts';
import type { Color, Route } from '../../njs/route.ts';
import { type ErrorCode, isErrorCode, TurnoutError } from '../errors.ts';
import type { Gateway, ProbeAnswer, RouteChange, Traffic } from './gateway.ts';

/** Milliseconds; a healthy gateway answers within a few. */
const PATIENCE = 3000;

interface Call {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

/** The gateway over its unix sockets. */
export class GatewayClient implements Gateway {
  private readonly control: Agent;
  private readonly prober: Agent;

  constructor(folder: string) {
    this.control = new Agent({ connect: { socketPath: `${folder}/control.sock` }, connections: 2, keepAliveTimeout: 1000 });
    this.prober = new Agent({ connect: { socketPath: `${folder}/probe.sock` }, keepAliveTimeout: 1000 });
  }

  async route(service: string): Promise<Route | null> {
    try {
      return (await this.call({ method: 'GET', path: `/v1/routes/${service}` })) as Route;
    } catch (error) {
      if (error instanceof TurnoutError && error.code === 'no-route') return null;
      throw error;
    }
  }

  async routes(): Promise<Route[]> {
    return ((await this.call({ method: 'GET', path: '/v1/routes' })) as { routes: Route[] }).routes;
  }

  async put(service: string, change: RouteChange, options: { ifMatch: number; by: string; force?: boolean }): Promise<Route> {
    const headers = { 'if-match': `"${options.ifMatch}"`, 'x-turnout-by': options.by };
    const { active, weights, colors } = change;
    const body = JSON.stringify({ service, active, weights, colors, paused: false });
    return (await this.call({
      method: 'PUT',
      path: `/v1/routes/${service}${options.force ? '?force=1' : ''}`,
      headers,
      body,
    })) as Route;
  }

  async switch(service: string, color: Color, options: { force: boolean; by: string }): Promise<Route> {
    const path = `/v1/routes/${service}/switch/${color}${options.force ? '?force=1' : ''}`;
    return (await this.call({ method: 'POST', path, headers: { 'x-turnout-by': options.by } })) as Route;
  }

  async forget(service: string): Promise<void> {
    await this.call({ method: 'DELETE', path: `/v1/routes/${service}` });
  }

  async arm(guard: Omit<Guard, 'fired'>): Promise<void> {
    await this.call({ method: 'PUT', path: `/v1/guards/${guard.service}`, body: JSON.stringify(guard) });
  }

  async guard(service: string): Promise<Guard | null> {
    return ((await this.call({ method: 'GET', path: `/v1/guards/${service}` })) as { guard: Guard | null }).guard;
  }

  async disarm(service: string): Promise<void> {
    await this.call({ method: 'DELETE', path: `/v1/guards/${service}` });
  }

  async traffic(service: string): Promise<Traffic> {
    return (await this.call({ method: 'GET', path: `/v1/traffic/${service}` })) as Traffic;
  }

  /** What answers there. */
  async versions(): Promise<{ nginx: string; njs: string; turnout: string }> {
    const { versions } = (await this.call({ method: 'GET', path: '/v1/health' })) as {
      versions: { nginx: string; njs: string; turnout: string };
    };
    return versions;
  }

  async traffics(): Promise<Traffic[]> {
    return ((await this.call({ method: 'GET', path: '/v1/traffic' })) as { traffic: Traffic[] }).traffic;
  }

  async probe(upstream: string, path: string, timeout: number): Promise<ProbeAnswer> {
    const headers = { 'x-turnout-upstream': upstream };
    const answer = await request(`http://localhost${path}`, {
      dispatcher: this.prober,
      headers,
      signal: AbortSignal.timeout(timeout),
    });
    return { status: answer.statusCode, body: await answer.body.text() };
  }

  async close(): Promise<void> {
    await Promise.all([this.control.destroy(), this.prober.destroy()]);
  }

  private async call({ method, path, headers = {}, body }: Call): Promise<unknown> {
    const { status, text } = await this.send({ method, path, headers, ...(body === undefined ? {} : { body }) });
    const answer = parse(text);
    if (status < 400) return answer;
    const { code, detail, hint } = answer as { code?: string; detail?: string; hint?: string };
    if (code === undefined || !isErrorCode(code))
      throw unusable(`${method} ${path} was answered with ${status}: ${text.slice(0, 200)}`);
    throw new TurnoutError(code as ErrorCode, detail ?? text, hint === undefined ? {} : { hint });
  }

  private async send({ method, path, headers, body }: Call): Promise<{ status: number; text: string }> {
    try {
      const answer = await request(`http://localhost${path}`, {
        dispatcher: this.control,
        method,
        headers: headers ?? {},
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(PATIENCE),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      throw unusable(`the gateway did not answer ${method} ${path}: ${(error as Error).message}`, error);
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function unusable(message: string, cause?: unknown): TurnoutError {
  return new TurnoutError('gateway-unusable', message, { cause });
}
