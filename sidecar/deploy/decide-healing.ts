import { type Color, type Route, slotSets } from '../../njs/route.ts';
import type { Known } from './case.ts';
import { type ObservedReplica, replicasOf, slotKey } from './observed.ts';
import type { Step } from './step.ts';

/**
 * Keeps a color with traffic whole. A sick or dead replica leaves the route while another one is healthy, drains, is
 * replaced, and returns once it is healthy. It never moves traffic to the other color.
 */
export function heal(known: Known, route: Route, color: Color): Step | null {
  const { observed, config } = known;
  const wanted = wantedSlots(known, route, color);
  const named = route.colors[color].slots;
  const inSlot = (slot: number) => replicasOf(observed, color).find((one) => one.slot === slot && one.alive);
  const fit = wanted.filter((slot) => inSlot(slot)?.health.state === 'healthy');
  const staying = named.filter((slot) => !isSick(inSlot(slot)));
  const leaving = named.length - staying.length;
  if (leaving > 0 && staying.some((slot) => fit.includes(slot))) {
    const slots = largestSet(config.maxReplicas, staying);
    if (slots) return reroute(color, slots, wanted, 'a replica is sick or gone');
  }
  const step = reviveSlots(known, color, wanted);
  if (step) return step;
  const replaced = wanted.find(
    (slot) => !named.includes(slot) && isSick(inSlot(slot)) && observed.quietSlots.has(slotKey(color, slot)),
  );
  if (replaced !== undefined) return { do: 'replace', color, slot: replaced };
  const returning = largestSet(
    config.maxReplicas,
    wanted.filter((slot) => named.includes(slot) || fit.includes(slot)),
  );
  if (returning && returning.length > named.length) return reroute(color, returning, wanted, 'a replica is healthy again');
  return null;
}

/** Starts what is not alive in these slots, unless it died too lately. */
export function reviveSlots({ observed }: Known, color: Color, slots: number[]): Step | null {
  const living = new Set(
    replicasOf(observed, color)
      .filter((one) => one.alive)
      .map((one) => one.slot),
  );
  const slot = slots.find((one) => !living.has(one) && !observed.resting.has(slotKey(color, one)));
  return slot === undefined ? null : { do: 'revive', color, slot };
}

/** A replica that a restarted sidecar has not asked yet is not sick. */
function isSick(replica: ObservedReplica | undefined): boolean {
  return replica === undefined || replica.health.state === 'unhealthy';
}

/** The slots that the route names, and those that healing has taken out of it: what a hand took out stays out. */
function wantedSlots({ record }: Known, route: Route, color: Color): number[] {
  return [...new Set([...route.colors[color].slots, ...record.outOfRoute[color]])].sort((a, b) => a - b);
}

function reroute(color: Color, slots: number[], wanted: number[], why: string): Step {
  return { do: 'reroute', color, slots, out: wanted.filter((slot) => !slots.includes(slot)), why };
}

/** The largest rendered set within these slots; null when there is none. */
function largestSet(maxReplicas: number, slots: number[]): number[] | null {
  const within = slotSets(maxReplicas).filter((set) => set.every((slot) => slots.includes(slot)));
  return within.reduce<number[] | null>((best, set) => (best && best.length >= set.length ? best : set), null);
}
