import { Router } from 'express';
import type { Conductor } from '../deploy/conductor.ts';
import { TurnoutError } from '../errors.ts';

/** Everything below /v1/deployments. */
export function deploymentRoutes(conductors: Conductor[]): Router {
  const router = Router();
  router.get('/:id', (request, response) => {
    for (const conductor of conductors) {
      const deployment = conductor.deployment(request.params.id);
      if (deployment) return void response.json(deployment);
    }
    throw new TurnoutError('unknown-deployment', `there is no deployment "${request.params.id}"`);
  });
  return router;
}
