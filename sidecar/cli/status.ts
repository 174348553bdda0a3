import { COLORS } from '../../njs/route.ts';
import type { ServiceView } from '../deploy/view.ts';
import { isEnd } from '../store/deployment.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { DONE } from './exit.ts';
import { Happenings } from './happenings.ts';
import { print, printJson, table } from './output.ts';

/** Milliseconds between two looks with -w while nothing happens: in flight and health change without an event. */
const LOOK = 1000;

export async function status(named: string | undefined, options: Common & { watch?: boolean }): Promise<number> {
  const { config, api } = await connect(options);
  const names = named === undefined ? config.services.map((one) => one.name) : [serviceOf(config, named)];
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort());
  const events = options.watch ? new Happenings(api, '') : null;
  try {
    for (let before = ''; ; ) {
      const views = await Promise.all(names.map((name) => api.get<ServiceView>(`/v1/services/${name}`)));
      if (options.json) views.forEach(printJson);
      else {
        const text = views.map(show).join('\n\n');
        if (text !== before) print(before === '' ? text : `\n${text}`);
        before = text;
      }
      if (events === null) return DONE;
      if (!stopped.signal.aborted) await events.wait(LOOK, stopped.signal);
      if (stopped.signal.aborted) return DONE;
    }
  } finally {
    events?.end();
  }
}

function show(view: ServiceView): string {
  const rows = COLORS.map((color) => {
    const { release, ready, inFlight, replicas } = view.colors[color];
    const healthy = replicas.filter((one) => one.health === 'healthy').length;
    return [
      `  ${color}`,
      release ?? '-',
      `${view.weights[color]} %`,
      replicas.length === 0 ? 'empty' : `${healthy}/${replicas.length} healthy`,
      ready ? 'ready' : 'not ready',
      inFlight === null ? 'in flight unknown' : `${inFlight} in flight`,
      replicas.map((one) => one.address).join(' '),
    ];
  });
  const head = view.active === null ? `${view.name}: nothing is live` : `${view.name}: ${view.active} is live`;
  const silent = view.gateway === 'unreachable' ? ' (the gateway does not answer; this is what was last known)' : '';
  return [`${head}${silent}`, table(rows), ...lastDeployment(view)].join('\n');
}

function lastDeployment({ deployment }: ServiceView): string[] {
  if (deployment === null) return [];
  const { id, release, phase, since, message } = deployment;
  return [`  ${isEnd(phase) ? 'last' : 'running'} deployment ${id} of ${release}: ${phase} since ${since}: ${message}`];
}
