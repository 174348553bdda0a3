/** stdout and stderr; without a terminal the engine tells them apart. */
export type Channel = 'stdout' | 'stderr';

const HEADER = 8;

/** Takes apart what the engine sends of a container's output: frames of a channel, a length and so many bytes. */
export class LogFrames {
  readonly #take: (channel: Channel, bytes: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(take: (channel: Channel, bytes: Buffer) => void) {
    this.#take = take;
  }

  push(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length >= HEADER) {
      const end = HEADER + bytes.readUInt32BE(4);
      if (bytes.length < end) break;
      this.#take(bytes[0] === 2 ? 'stderr' : 'stdout', bytes.subarray(HEADER, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}
