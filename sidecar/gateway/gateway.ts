import type { Guard } from '../../njs/guard.ts';
import type { Color, Route } from '../../njs/route.ts';
import type { Traffic } from '../../njs/traffic.ts';

export type { Traffic };

/** What a route becomes; the gateway itself adds service, generation, who and when. */
export type RouteChange = Pick<Route, 'active' | 'weights' | 'colors'>;

export interface ProbeAnswer {
  status: number;
  body: string;
}

/**
 * The control API, as the engine sees it. Every call rejects with `gateway-unusable` when nginx does not answer; the
 * caller observes anew and tries again.
 */
export interface Gateway {
  /** The route in force; null when the gateway knows none. */
  route(service: string): Promise<Route | null>;
  /** Of every service that has one. */
  routes(): Promise<Route[]>;
  /** Replaces the route; `route-changed` when its generation is not `ifMatch` (0: there is none) any more. `force`: in memory alone if the disk takes nothing. */
  put(service: string, change: RouteChange, options: { ifMatch: number; by: string; force?: boolean }): Promise<Route>;
  /** The flip by hand; `not-ready` unless the color is ready, or forced and not empty. */
  switch(service: string, color: Color, options: { force: boolean; by: string }): Promise<Route>;
  traffic(service: string): Promise<Traffic>;
  /** Of every service, for the price of one. */
  traffics(): Promise<Traffic[]>;
  /** Leaves a guard; whatever guarded the service before is gone. One of the same deployment that has fired stays, with its numbers. */
  arm(guard: Omit<Guard, 'fired'>): Promise<void>;
  /** Null: nothing guards the service. */
  guard(service: string): Promise<Guard | null>;
  disarm(service: string): Promise<void>;
  /** Forgets the route of a service that nginx does not know any more. */
  forget(service: string): Promise<void>;
  /** One GET through nginx to exactly these slots, whatever the route says; it is not counted. */
  probe(upstream: string, path: string, timeout: number): Promise<ProbeAnswer>;
}
