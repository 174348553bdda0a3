/** What is used of tar-stream, which brings no types of its own. */
declare module 'tar-stream' {
  interface Pack extends NodeJS.ReadableStream {
    entry(header: { name: string; mode: number; uid: number; gid: number; mtime: Date }, content: Buffer): void;
    finalize(): void;
  }
  export function pack(): Pack;
}
