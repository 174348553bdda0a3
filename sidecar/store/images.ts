import { COLORS } from '../../njs/route.ts';
import { isEnd } from './deployment.ts';
import { previousRun, type ServiceRecord } from './record.ts';

/** Images that Turnout has deployed and nothing can need any more: no color holds them, and no rollback goes there. */
export function unneededImages(records: ServiceRecord[]): string[] {
  const needed = new Set(records.flatMap(neededImages));
  const known = new Set(records.flatMap((record) => record.deployments.map((one) => one.digest)));
  return [...known].filter((digest) => digest !== null && !needed.has(digest)) as string[];
}

function neededImages(record: ServiceRecord): (string | null)[] {
  const running = record.deployments.filter((one) => !isEnd(one.phase));
  const lastFlips = COLORS.map((color) => record.flips.findLast((flip) => flip.to === color));
  const inColors = COLORS.flatMap((color, index) => {
    const flip = lastFlips[index];
    return record.deployments.filter((one) => one.color === color && one.release === flip?.release).slice(-1);
  });
  return [...running, ...inColors, ...record.deployments.slice(-1), previousRun(record)].map((one) => one?.digest ?? null);
}
