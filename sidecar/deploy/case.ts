import type { Color, Route } from '../../njs/route.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { Deployment } from '../store/deployment.ts';
import type { ServiceRecord } from '../store/record.ts';
import type { Observed, ObservedReplica } from './observed.ts';

/** Everything a decision rests on. `now` is on the clock of the record. */
export interface Case {
  observed: Observed;
  record: ServiceRecord;
  config: ServiceConfig;
  now: number;
}

/** A case whose route is known. */
export interface Known extends Case {
  route: Route | null;
}

/** A running deployment, seen from its own color. */
export interface Running extends Known {
  deployment: Deployment;
  color: Color;
  /** Its own replicas, dead ones included. */
  mine: ObservedReplica[];
  /** Since the present phase began, in milliseconds. */
  elapsed: number;
}
