import { systemClock } from '../clock.ts';
import { TurnoutError } from '../errors.ts';
import type { MonitorReport, MonitorVerdict } from '../monitor/report.ts';
import { type Common, connect, serviceOf } from './context.ts';
import { monitorExitCode } from './exit.ts';
import { showReport } from './monitor-view.ts';
import { print, printJson, progress } from './output.ts';

/** Milliseconds between two looks with -w. */
const LOOK = 2000;
/** Milliseconds that a report may take: a gateway that hangs and smoke checks have to be waited for. */
const PATIENCE = 60_000;
/** Makes a terminal begin anew at its upper left. */
const CLEAR = '\x1b[H\x1b[2J\x1b[3J';

export interface MonitorOptions extends Common {
  watch?: boolean;
  smoke?: boolean;
}

type Seen = Pick<MonitorReport, 'service' | 'verdict'> & Partial<MonitorReport>;

/** The exit code tells the verdict; of several services the worst. */
export async function monitor(named: string | undefined, options: MonitorOptions): Promise<number> {
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort());
  const screen = options.watch && !options.json && process.stdout.isTTY;
  for (let first = true; ; first = false) {
    const seen = await look(named, options);
    if (options.json) seen.forEach(printJson);
    else {
      if (screen) process.stdout.write(CLEAR);
      else if (!first) print('');
      print(seen.map((one) => ('colors' in one ? showReport(one as MonitorReport) : sentence(one))).join('\n\n'));
    }
    const code = Math.max(...seen.map((one) => monitorExitCode(one.verdict.state)));
    if (!options.watch) return code;
    await systemClock.sleep(LOOK, stopped.signal);
    if (stopped.signal.aborted) return code;
  }
}

/** Whatever keeps the sidecar from answering is a verdict, too: nobody knows. */
async function look(named: string | undefined, options: MonitorOptions): Promise<Seen[]> {
  let names: (string | undefined)[] = [named];
  try {
    const { config, api } = await connect(options);
    const known = named === undefined ? config.services.map((one) => one.name) : [serviceOf(config, named)];
    names = known;
    const query = options.smoke ? '?smoke=1' : '';
    return await Promise.all(known.map((name) => api.get<MonitorReport>(`/v1/services/${name}/monitor${query}`, PATIENCE)));
  } catch (thrown) {
    const { code, message, exitCode, hint } = TurnoutError.from(thrown);
    // A wrong command line or file is no news of the service.
    if (exitCode === 2 || exitCode === 3) throw thrown;
    progress(`turnout: ${message}\n${hint}`);
    const verdict: MonitorVerdict = { state: 'unknown', reason: code, message };
    return names.map((name) => ({ service: name ?? '', verdict }));
  }
}

function sentence({ service, verdict: { reason, message } }: Seen): string {
  return `${service === '' ? '' : `${service}: `}unknown (${reason}): ${message}`;
}
