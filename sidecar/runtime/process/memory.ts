import { readFile } from 'node:fs/promises';

/**
 * Bytes of memory of the process with this folder under /proc: Pss, which shares out what several use; Rss where the kernel
 * does not tell (it was built without, or the process changed its user). Asynchronous, since the kernel walks through all
 * pages for it: some 2 ms per 100 MB. 0 when it has ended.
 */
export async function readMemory(folder: string): Promise<number> {
  return (await kilobytes(`${folder}/smaps_rollup`, 'Pss')) ?? (await kilobytes(`${folder}/status`, 'VmRSS')) ?? 0;
}

/** The same number as in statm, in a unit that needs no page size. */
async function kilobytes(path: string, name: string): Promise<number | null> {
  const text = await readFile(path, 'latin1').catch(() => '');
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return found ? Number(found[1]) * 1024 : null;
}
