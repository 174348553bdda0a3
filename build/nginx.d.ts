export interface FoundNginx {
  command: string[];
  module: string;
  nginx: string;
  njs: string;
  source: 'TURNOUT_NGINX' | 'PATH' | 'cache';
}
export function findNginx(options?: {
  env?: NodeJS.ProcessEnv;
  cache?: string;
  log?: (line: string) => void;
  folders?: string[];
  etc?: string;
}): Promise<FoundNginx>;
export function cacheFolder(env?: NodeJS.ProcessEnv): string;
export function nginxVariables(found: FoundNginx): Record<string, string>;
