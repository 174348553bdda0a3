import type { Address } from '../config/config.ts';

/** Where nginx runs, and how it is told what to do. */
export interface GatewayHost {
  /** `nginx -t` on a configuration; rejects with `nginx-refused`. Where nobody can be asked it resolves untested. */
  test(conf: string): Promise<void>;
  /** Takes care of the gateway from now on. `changed`: its configuration is another one than that in force. */
  start(changed: boolean): Promise<void>;
  /**
   * Lets nginx read its configuration again and resolves once a worker of the new one answers. With a `limit` it waits so
   * many milliseconds more for the old workers to finish what they are answering.
   */
  reload(limit: number, listen: Address): Promise<void>;
  /** Ends what Turnout itself has started. Answers whether the gateway is gone, so that replicas have nobody to serve. */
  stop(): Promise<boolean>;
}
