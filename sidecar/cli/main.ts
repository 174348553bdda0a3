import { Command, CommanderError } from 'commander';
import { TurnoutError } from '../errors.ts';
import type { Common } from './context.ts';
import { DONE } from './exit.ts';
import { print, printJson } from './output.ts';

declare const TURNOUT_VERSION: string;

type Verb = () => Promise<number>;

/** Each verb's code is loaded when it is called: `status` does not wait for express. */
function createProgram(run: (verb: Verb) => Promise<void>): Command {
  const program = new Command('turnout').description('Zero-downtime blue/green deployments behind nginx').exitOverride();
  const verb = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('-f, --file <turnout.yaml>', 'configuration (default: $TURNOUT_CONFIG, else ./turnout.yaml)')
      .option('--json', 'one JSON object per line')
      .exitOverride();
  verb('up', 'gateway and sidecar in the foreground; deploys the first release if nothing runs').action((options: Common) =>
    run(async () => (await import('./up.ts')).up(options)),
  );
  verb('deploy [service]', 'bring a release live')
    .requiredOption('--release <label>', 'what to deploy, e.g. v2')
    .option('--image <image>', 'another image than the configured one; {release} is filled in')
    .option('--force', 'deploy even if that release is live and healthy')
    .option('--hold', 'wait for turnout promote before the switch')
    .option(
      '--until <phase>',
      'stop following (exit 0) once it is waiting for promote, or baking: for pipelines with a stage of their own',
    )
    .option('--lock-wait <duration>', 'wait so long for another deployment to end, e.g. 5m')
    .option('--no-wait', 'do not wait for the end; prints the id')
    .option('--wait-timeout <duration>', 'stop waiting after e.g. 5m (exit 9); the deployment goes on')
    .action((service, options) => run(async () => (await import('./deploy.ts')).deploy(service, options)));
  verb('status [service]', 'who is live, health, requests in flight')
    .option('-w, --watch', 'keep showing it')
    .action((service, options) => run(async () => (await import('./status.ts')).status(service, options)));
  verb(
    'monitor [service]',
    'checks, rates, resources, error lines and a verdict; exit 0 healthy, 10 degraded, 11 unhealthy, 12 unknown',
  )
    .option('-w, --watch', 'keep showing it')
    .option('--smoke', 'run the smoke checks, too')
    .action((service, options) => run(async () => (await import('./monitor.ts')).monitor(service, options)));
  verb('logs [words...]', 'what the replicas write: logs [service] [blue|green]')
    .usage('[options] [service] [blue|green]')
    .option('--follow', 'go on with what they write from now on')
    .option('--tail <lines>', 'so many of the last lines of each replica (default: 100)')
    .action((words, options) => run(async () => (await import('./logs.ts')).logs(words, options)));
  verb('switch <words...>', 'move all traffic: switch [service] blue|green')
    .usage('[options] [service] blue|green')
    .option('--force', 'also to a color that is not ready')
    .action((words, options) => run(async () => (await import('./traffic.ts')).switchTraffic(words, options)));
  verb('rollback [service]', 'back to the previous release: at once while it is warm').action((service, options) =>
    run(async () => (await import('./traffic.ts')).rollback(service, options)),
  );
  verb('promote [service]', 'let the waiting deployment go on to the switch').action((service, options) =>
    run(async () => (await import('./steer.ts')).promote(service, options)),
  );
  verb('abort [service]', 'end the running deployment; traffic stays, or goes back').action((service, options) =>
    run(async () => (await import('./steer.ts')).abort(service, options)),
  );
  verb('reload', 'read turnout.yaml again: validated whole, then applied or refused whole')
    .option('--remove', 'also remove services that serve')
    .action((options) => run(async () => (await import('./steer.ts')).reload(options)));
  verb('history [service]', 'deployments and flips by hand, newest first').action((service, options) =>
    run(async () => (await import('./history.ts')).history(service, options)),
  );
  verb('lint', 'is turnout.yaml one that up would take? asks nginx, too, and changes nothing').action((options: Common) =>
    run(async () => (await import('./lint.ts')).lint(options)),
  );
  verb('config', 'turnout.yaml with every default filled in, secrets hidden').action((options: Common) =>
    run(async () => (await import('./config.ts')).showConfig(options)),
  );
  verb('render', 'the files that up would render for nginx; changes nothing').action((options: Common) =>
    run(async () => (await import('./render.ts')).renderFiles(options)),
  );
  verb('doctor', 'looks at everything that Turnout needs, says what is wrong and what to do; changes nothing').action(
    (options: Common) => run(async () => (await import('./doctor.ts')).doctor(options)),
  );
  verb('healthcheck', "does the sidecar answer? for a container's health check").action((options: Common) =>
    run(async () => (await import('./healthcheck.ts')).healthcheck(options)),
  );
  verb('version', 'the version of Turnout').action((options: Common) =>
    run(async () => {
      if (options.json) printJson({ turnout: TURNOUT_VERSION });
      else print(TURNOUT_VERSION);
      return DONE;
    }),
  );
  return program;
}

/** Runs one command line; answers the exit code. */
async function main(argv: string[]): Promise<number> {
  let code = DONE;
  const program = createProgram(async (verb) => {
    code = await verb();
  });
  try {
    await program.parseAsync(argv);
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? DONE : 2;
    const error = TurnoutError.from(thrown);
    if (argv.includes('--json')) process.stderr.write(`${JSON.stringify(error.toProblem())}\n`);
    else process.stderr.write(`turnout: ${error.message}\n${error.hint}\n`);
    if (error.code === 'internal') process.stderr.write(`${(error.cause as Error)?.stack ?? error.stack}\n`);
    return error.exitCode;
  }
}

// Whoever reads the output may have seen enough: `turnout render | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? DONE : 1));
process.exitCode = await main(process.argv);
