import { BACKEND } from './turnout.ts';

/** A service whose v1 is well and whose other releases have this fault: shell code that runs before the example starts. */
export function faulty(fault: string, service: Record<string, unknown> = {}): Record<string, unknown> {
  const script = `if [ "$TURNOUT_RELEASE" != v1 ]; then ${fault}; fi; echo "release $TURNOUT_RELEASE begins"; exec node "$BACKEND"`;
  const { env, ...rest } = service as { env?: Record<string, unknown> };
  return { command: ['sh', '-c', script], env: { BACKEND, ...env }, ...rest };
}
