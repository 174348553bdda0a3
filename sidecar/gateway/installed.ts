import { readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What nginx says in its health answer, so that whoever has told it to reload sees when it did. */
export const INSTALLED = 'rendered/installed.json';

export function installedText(name: string): string {
  return `${JSON.stringify({ configuration: name })}\n`;
}

/** The name of the configuration that lies there, e.g. `conf-0123456789abcdef`; null before the first. */
export function configuration(folder: string): Promise<string | null> {
  return readlink(join(folder, 'conf')).catch(() => null);
}
