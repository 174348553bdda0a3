import type { Color } from '../../njs/route.ts';
import type { Phase } from '../store/deployment.ts';

export type HookName = 'beforeSwitch' | 'afterLive' | 'afterRollback';

/** What decide() wants done next. Each is safe to repeat. */
export type Step =
  /** Fetch the image of the running deployment, and find out exactly which it is. */
  | { do: 'prepare' }
  /** Start replicas of the running deployment in these slots of its color. */
  | { do: 'start'; color: Color; slots: number[] }
  /** Start the release that the route names again, in a slot whose replica died. */
  | { do: 'revive'; color: Color; slot: number }
  /** Stop a sick replica that is out of the route; it is started anew afterwards. */
  | { do: 'replace'; color: Color; slot: number }
  /** Let the runtime itself start these replicas again after a crash or a reboot. */
  | { do: 'keep'; color: Color; replicas: string[] }
  /** Let the route send the color's traffic to exactly these slots; `out` are those that shall return to it. */
  | { do: 'reroute'; color: Color; slots: number[]; out: number[]; why: string }
  /** Let the route name the new color's slots, not ready, so that only force can send traffic there. */
  | { do: 'register'; color: Color }
  /** Ask the color through nginx, one request for each replica. */
  | { do: 'prove'; color: Color }
  | { do: 'warm'; color: Color }
  | { do: 'smoke'; color: Color }
  /** Every check has passed: a flip to the color is promotion from now on. */
  | { do: 'ready'; color: Color }
  | { do: 'hook'; hook: HookName }
  /** All traffic to the color. */
  | { do: 'switch'; color: Color }
  /** Leave a guard in the gateway that moves traffic back by itself, for the rest of the bake. */
  | { do: 'guard'; color: Color }
  /** All traffic back to the color it came from, and the other one not ready, in one write. */
  | { do: 'switch-back'; color: Color }
  /** Write the route anew from the journal: the gateway has lost it. */
  | { do: 'seed'; color: Color }
  /** Take a color's readiness away; it drains from now on. */
  | { do: 'retire'; color: Color; reason: string }
  /** Take a color's slots out of the route: nothing can be switched there any more. */
  | { do: 'clear'; color: Color }
  /** Stop these replicas of a color that the route does not name. */
  | { do: 'stop'; color: Color; replicas: string[] }
  /** The deployment is lost; remember why first. The replica's last lines belong to the message. */
  | { do: 'fail'; reason: string; message: string; replica: string | null }
  | { do: 'enter'; phase: Phase; reason: string; message: string; inconclusive?: boolean };

/** For the journal and the log: `start blue 1,2`. */
export function describeStep(step: Step): string {
  switch (step.do) {
    case 'start':
    case 'reroute':
      return `${step.do} ${step.color} ${step.slots.join(',')}`;
    case 'revive':
    case 'replace':
      return `${step.do} ${step.color} ${step.slot}`;
    case 'fail':
      return `fail ${step.reason}`;
    case 'enter':
      return `enter ${step.phase}`;
    case 'prepare':
      return step.do;
    case 'hook':
      return `hook ${step.hook}`;
    default:
      return `${step.do} ${step.color}`;
  }
}
