export function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  options?: { log?: (line: string) => void; limit?: number },
): Promise<T>;
