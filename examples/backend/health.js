/**
 * What the health endpoint says. A dependency that this release was not told of is "disabled"; the fault
 * FAULT_UNHEALTHY_AFTER_S plays a database that has gone away.
 */
export async function readHealth(identity, { unhealthyAfterS }, dependencies) {
  const [found, redis] = await Promise.all([stateOf(dependencies.database), stateOf(dependencies.redis)]);
  const uptime = process.uptime();
  const database = uptime < unhealthyAfterS ? found : 'unhealthy';
  return {
    status: [database, redis].includes('unhealthy') ? 'unhealthy' : 'healthy',
    timestamp: new Date().toISOString(),
    uptime_seconds: Math.round(uptime * 1000) / 1000,
    version: identity.release,
    environment: identity.environment,
    database,
    redis,
  };
}

function stateOf(dependency) {
  return dependency === undefined ? 'disabled' : dependency.check();
}
