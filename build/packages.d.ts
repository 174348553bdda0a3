export function ensurePackages(options: { root: string; env?: NodeJS.ProcessEnv; log?: (line: string) => void }): Promise<void>;
