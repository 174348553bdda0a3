import type { Log } from '../log.ts';
import type { GatewayHost } from './host.ts';

/** An nginx in its owner's hands: its files are written, and nothing else is touched. */
export class ForeignHost implements GatewayHost {
  constructor(
    private readonly folder: string,
    private readonly log: Log,
  ) {}

  async test(): Promise<void> {}

  async start(changed: boolean): Promise<void> {
    if (changed) this.tell();
  }

  async reload(): Promise<void> {
    this.tell();
  }

  async stop(): Promise<boolean> {
    return false;
  }

  private tell(): void {
    const conf = `${this.folder}/conf`;
    this.log.warn({ conf }, 'the configuration has changed: your nginx takes it at its next reload (gateway.managed is false)');
  }
}
