import { pino } from 'pino';
import type { Log } from '../../sidecar/log.ts';

/** For parts whose log is not what the test is about. */
export function silentLog(): Log {
  return pino({ enabled: false });
}
