import { TurnoutError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { JournalEvent } from '../store/events.ts';
import type { Written } from '../store/journal.ts';
import { applyEvent, type ServiceRecord } from '../store/record.ts';
import type { Ports } from './ports.ts';

interface Late {
  event: JournalEvent;
  at: Date;
}

/**
 * Writes what happens into the journal and takes it into the record. While the disk takes nothing, what must happen all
 * the same (moving traffic back, ending) is remembered here and written as soon as there is room.
 */
export class Recorder {
  private readonly late: Late[] = [];

  constructor(
    private readonly record: ServiceRecord,
    private readonly ports: Pick<Ports, 'journal' | 'clock' | 'publish'>,
    private readonly log: Log,
  ) {}

  /** True while the journal takes nothing. */
  get broken(): boolean {
    return this.late.length > 0;
  }

  /** On disk before it resolves, or `disk-unusable` and nothing has happened. */
  async write(event: JournalEvent): Promise<void> {
    const { journal, clock } = this.ports;
    try {
      this.take(await journal.append(event, clock.date()));
    } catch (error) {
      // Remembered, so that everybody can see that the disk is full until this line is on it.
      const { service } = event;
      const detail = (error as Error).message;
      await this.note({ kind: 'outcome', service, deployment: null, step: `refused ${event.kind}`, ok: false, detail });
      throw error;
    }
  }

  /** On disk if that is possible; in the record in any case. */
  async note(event: JournalEvent): Promise<void> {
    const at = this.ports.clock.date();
    if (this.broken) return this.keep(event, at);
    try {
      this.take(await this.ports.journal.append(event, at));
    } catch (error) {
      if (TurnoutError.from(error).code !== 'disk-unusable') throw error;
      this.log.error({ error: (error as Error).message }, 'the journal takes nothing; going on in memory');
      this.keep(event, at);
    }
  }

  /** Writes what could not be written; true when nothing is left. */
  async catchUp(): Promise<boolean> {
    while (this.late.length > 0) {
      const { event, at } = this.late[0] as Late;
      try {
        await this.ports.journal.append(event, at);
      } catch {
        return false;
      }
      this.late.shift();
      if (this.late.length === 0) this.log.info('the journal takes lines again; nothing is missing');
    }
    return true;
  }

  private keep(event: JournalEvent, at: Date): void {
    this.late.push({ event, at });
    this.take({ v: 0, seq: 0, at: at.toISOString(), ...event });
  }

  private take(written: Written): void {
    applyEvent(this.record, written, this.ports.clock.now());
    this.ports.publish(written, this.record.deployments.at(-1) ?? null);
  }
}
