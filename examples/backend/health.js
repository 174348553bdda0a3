/**
 * What the health endpoint says. `database` and `redis` are "disabled" until this example has any; the fault
 * FAULT_UNHEALTHY_AFTER_S plays a database that has gone away.
 */
export function readHealth(identity, { unhealthyAfterS }) {
  const uptime = process.uptime();
  const healthy = uptime < unhealthyAfterS;
  return {
    status: healthy ? 'healthy' : 'unhealthy',
    timestamp: new Date().toISOString(),
    uptime_seconds: Math.round(uptime * 1000) / 1000,
    version: identity.release,
    environment: identity.environment,
    database: healthy ? 'disabled' : 'unhealthy',
    redis: 'disabled',
  };
}
