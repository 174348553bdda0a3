import type { ServiceConfig } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { ServiceRecord } from '../store/record.ts';
import type { Observer } from './observer.ts';
import type { Ports } from './ports.ts';
import type { Recorder } from './recorder.ts';
import type { Tasks } from './tasks.ts';
import type { Trials } from './trial.ts';

/** What the parts of one service's conductor share. */
export interface Engine {
  config: () => ServiceConfig;
  record: ServiceRecord;
  ports: Ports;
  recorder: Recorder;
  tasks: Tasks;
  trials: Trials;
  observer: Observer;
  log: Log;
  /** Takes secret values out of a text. */
  redact(text: string): string;
  /** Makes the loop look again now. */
  wake(): void;
}
