/** What one replica uses, its whole process tree together. */
export interface Resources {
  /** Cores, averaged since the last reading; null at the first one. */
  cpu: number | null;
  /** Bytes that nobody else uses, too: Pss where the kernel tells it, else Rss. */
  memory: number;
}
