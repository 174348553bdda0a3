import { COLORS } from '../../njs/route.ts';
import { previousRun, type ServiceRecord } from './record.ts';

/** Images that Turnout has deployed and nothing can need any more: no color holds them, and no rollback goes there. */
export function unneededImages(records: ServiceRecord[]): string[] {
  const needed = new Set(records.flatMap(neededImages));
  const known = new Set(records.flatMap((record) => record.deployments.map((one) => one.digest)));
  return [...known].filter((digest) => digest !== null && !needed.has(digest)) as string[];
}

function neededImages(record: ServiceRecord): (string | null)[] {
  const inColors = COLORS.map((color) => {
    const release = record.flips.findLast((flip) => flip.to === color)?.release;
    return record.deployments.findLast((one) => one.color === color && one.release === release);
  });
  // The last one may still run; what it has fetched is not in any color yet.
  return [...inColors, record.deployments.at(-1), previousRun(record)].map((one) => one?.digest ?? null);
}
