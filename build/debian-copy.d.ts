export interface Platform {
  debian: string;
  triplet: string;
  loader: string;
}
export interface Look {
  ok: boolean;
  reason: string;
}
export function debianCopy<L extends Look>(copy: {
  cache: string;
  name: string;
  suite: string;
  packages: string[];
  what: string;
  look: (root: string, platform: Platform) => Promise<L>;
  done: (look: L) => string;
  env?: NodeJS.ProcessEnv;
  log?: (line: string) => void;
  etc?: string;
  arch?: string;
}): Promise<L | Look>;
export function copyCommand(root: string, platform: Platform, program: string): string[];
