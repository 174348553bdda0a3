import { type Request, Router } from 'express';
import type { Conductor } from '../deploy/conductor.ts';
import { TurnoutError } from '../errors.ts';
import { emptyBody, readBody } from './body.ts';
import { callerOf } from './services.ts';

/** Everything below /v1/deployments. */
export function deploymentRoutes(conductors: () => Conductor[]): Router {
  const router = Router();
  const find = (request: Request<{ id: string }>): Conductor => {
    const { id } = request.params;
    const found = conductors().find((conductor) => conductor.deployment(id) !== null);
    if (found) return found;
    throw new TurnoutError('unknown-deployment', `there is no deployment "${id}"`);
  };

  router.get('/:id', (request, response) => {
    response.json(find(request).deployment(request.params.id));
  });
  router.post('/:id/promote', async (request, response) => {
    const conductor = find(request);
    readBody(emptyBody, request.body);
    response.json(await conductor.commands.promote(request.params.id, callerOf(request)));
  });
  router.post('/:id/abort', async (request, response) => {
    const conductor = find(request);
    readBody(emptyBody, request.body);
    response.json(await conductor.commands.abort(request.params.id, callerOf(request)));
  });
  return router;
}
