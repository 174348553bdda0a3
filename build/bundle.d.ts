export function ensureBundle(options: { root: string; log?: (line: string) => void }): Promise<void>;
export function sourceHash(root: string): string;
export function isFresh(root: string): boolean;
