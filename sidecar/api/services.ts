import { type Request, Router } from 'express';
import type { Conductor } from '../deploy/conductor.ts';
import { TurnoutError } from '../errors.ts';
import { deployBody, emptyBody, readBody, switchBody } from './body.ts';

/** Everything below /v1/services. */
export function serviceRoutes(conductors: () => Conductor[]): Router {
  const router = Router();
  const find = (request: Request<{ service: string }>) => conductorNamed(conductors(), request.params.service);

  router.get('/', async (_request, response) => {
    response.json({ services: await Promise.all(conductors().map((conductor) => conductor.view())) });
  });
  router.get('/:service', async (request, response) => {
    response.json(await find(request).view());
  });
  router.get('/:service/history', (request, response) => {
    response.json({ history: find(request).history() });
  });
  router.get('/:service/deployments', (request, response) => {
    response.json({ deployments: find(request).deployments() });
  });
  router.post('/:service/deployments', async (request, response) => {
    const conductor = find(request);
    const { deployment, noop } = await conductor.commands.deploy({
      ...readBody(deployBody, request.body),
      digest: null,
      by: callerOf(request),
    });
    response
      .status(noop ? 200 : 202)
      .location(`/v1/deployments/${deployment.id}`)
      .json({ ...deployment, noop });
  });
  router.post('/:service/switch', async (request, response) => {
    const conductor = find(request);
    const { color, force } = readBody(switchBody, request.body);
    response.json(await conductor.commands.switchTo(color, { force, by: callerOf(request) }));
  });
  router.post('/:service/rollback', async (request, response) => {
    const conductor = find(request);
    readBody(emptyBody, request.body);
    const done = await conductor.commands.rollback(callerOf(request));
    if ('route' in done) response.json(done.route);
    else response.status(202).location(`/v1/deployments/${done.deployment.id}`).json(done.deployment);
  });
  return router;
}

export function conductorNamed(conductors: Conductor[], name: string): Conductor {
  const found = conductors.find((conductor) => conductor.name === name);
  if (found) return found;
  const known = conductors.map((conductor) => conductor.name).join(', ');
  throw new TurnoutError('unknown-service', `there is no service "${name}", expected one of: ${known}`);
}

/** Who asks, for the history: the header X-Turnout-By, as the CLI sends it; else `api`. */
export function callerOf(request: Request): string {
  const given = request
    .get('x-turnout-by')
    ?.replace(/[^\x20-\x7e]/g, '')
    .slice(0, 80)
    .trim();
  // A name of the engine's own would let a hand pass for a deployment.
  return given && !/^(deployment |sidecar$|guard$)/.test(given) ? given : 'api';
}
