import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import cron from 'node-cron';
import { createApp } from './api/app.ts';
import { listen } from './api/listen.ts';
import { loadToken } from './api/token.ts';
import { systemClock } from './clock.ts';
import { formatAddress } from './config/address.ts';
import type { Config, ServiceConfig } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { redact } from './config/redact.ts';
import { formatSubnet } from './config/subnet.ts';
import { Conductor } from './deploy/conductor.ts';
import { Fleet, type Reloaded } from './deploy/fleet.ts';
import type { Ports } from './deploy/ports.ts';
import { GatewayClient } from './gateway/client.ts';
import type { GatewayContainer } from './gateway/container.ts';
import { ContainerHost } from './gateway/container-host.ts';
import { ForeignHost } from './gateway/foreign-host.ts';
import type { GatewayHost } from './gateway/host.ts';
import { gatewayFolder, installGateway, type NginxHome } from './gateway/install.ts';
import { assertFree, GatewaySupervisor } from './gateway/supervisor.ts';
import { check } from './health/check.ts';
import { hookRunner } from './hooks/runner.ts';
import { webhookEvent } from './hooks/webhook-event.ts';
import { Webhooks } from './hooks/webhooks.ts';
import type { Log } from './log.ts';
import { Metrics } from './metrics/metrics.ts';
import { readVersions } from './metrics/versions.ts';
import { HealthHistory } from './monitor/health-history.ts';
import { Monitors } from './monitor/monitors.ts';
import { ProcessRuntime } from './runtime/process/process-runtime.ts';
import type { Runtime } from './runtime/runtime.ts';
import { unneededImages } from './store/images.ts';
import { Journal } from './store/journal.ts';
import { loadRecords } from './store/load.ts';
import { lockState } from './store/lock.ts';
import { Slots } from './store/slots.ts';

declare const TURNOUT_VERSION: string;

export interface Sidecar {
  /** Reads turnout.yaml again; applied or refused whole. */
  reload(options: { remove: boolean }): Promise<Reloaded>;
  /** Stops the gateway and every replica of the state folder, adopted ones included. */
  stop(): Promise<void>;
}

/** For replicas of a service that turnout.yaml does not name any more. */
const DEFAULT_STOP = { signal: 'SIGTERM' as const, timeout: 10_000 };
/** Every 10 s: processes that carry our mark and belong to nothing. */
const SWEEP = '*/10 * * * * *';

/**
 * Puts everything together and starts it, in the order in which each part needs the others: the state folder is ours,
 * addresses are known, the gateway answers, replicas are conducted, the API listens. What was started is stopped again
 * when a later part cannot start.
 */
export async function startSidecar(first: Config, nginx: NginxHome, env: NodeJS.ProcessEnv, log: Log): Promise<Sidecar> {
  let config = first;
  const clock = systemClock;
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) {
      // One that fails must not keep the others from ending what they have started.
      await step().catch((error: Error) => log.error({ error: error.message }, 'something could not be ended'));
    }
  };
  // Replicas of an earlier configuration may still say what was secret then.
  const secrets = [...first.secrets];
  const clean = (text: string) => redact(text, secrets);
  const stopOf = (service: string) => config.services.find((one) => one.name === service)?.stop ?? DEFAULT_STOP;
  try {
    await mkdir(config.state, { recursive: true, mode: 0o700 });
    undo.push(await lockState(config.state));
    const token = await loadToken(config.state);
    let slots = await Slots.allocate(config);
    const addressOf: Ports['addressOf'] = (...slot) => slots.address(...slot);
    const { journal, events, torn } = await Journal.open(join(config.state, 'journal.jsonl'));
    undo.push(() => journal.close());
    if (torn !== null) log.warn({ bytes: torn.length }, 'the last line of the journal was torn by a crash and is dropped');

    // The API's address is taken before anything is started: a stranger there must not cost a running gateway.
    const api = await listen(config.api.listen);
    undo.push(() => api.close());

    const folder = gatewayFolder(config.state);
    const { runtime, container, close } = await makeRuntime(config, env, log);
    undo.push(close);
    const host = makeHost(config, nginx, container, log);
    const changed = await installGateway(config, addressOf, nginx, host);
    await host.start(changed);
    undo.push(async () => {
      if (!(await host.stop())) return;
      await Promise.all((await runtime.list()).map((replica) => runtime.stop(replica, stopOf(replica.service))));
    });

    const gateway = new GatewayClient(folder);
    // A connection of its own: a scrape of many services must not make a switch wait.
    const scraped = new GatewayClient(folder);
    undo.push(() => Promise.all([gateway.close(), scraped.close()]));
    const metrics = new Metrics({
      conductors: () => fleet.conductors,
      gateway: scraped,
      clock,
      version: TURNOUT_VERSION,
      versions: () => readVersions(folder),
    });
    let webhooks = new Webhooks({ webhooks: config.webhooks, clock, log });
    undo.push(() => webhooks.stop());
    const history = new HealthHistory(clock);
    const checkOnce: Ports['check'] = (address, health, signal) => check(address, health, signal, clean);
    const ports: Ports = {
      gateway,
      runtime,
      clock,
      journal,
      check: history.remembering(checkOnce),
      runHook: hookRunner(() => config, env),
      publish: (event, deployment) => {
        metrics.take(event, deployment);
        const told = webhookEvent(event, deployment);
        if (told) webhooks.publish(told);
      },
      addressOf,
    };
    const records = loadRecords(events, clock);
    const fleet = new Fleet(config, {
      make: (service) => {
        const counted = metrics.counting(service.name, ports);
        return new Conductor({ config: service, record: records(service.name), ports: counted, log, redact: clean });
      },
      apply: async (next, limit) => {
        // nginx -t does not look: a master that cannot bind keeps the old configuration, and a restart has none.
        const moves = !isDeepStrictEqual(next.gateway.listen, config.gateway.listen);
        if (moves && next.gateway.managed) await assertFree(next.gateway.listen);
        slots = await Slots.allocate(next);
        if (await installGateway(next, addressOf, nginx, host)) await host.reload(limit, next.gateway.listen);
      },
      forget: (service) => forgetService(service, runtime, gateway),
      log,
    });
    undo.push(() => fleet.stop());
    const services = () => fleet.conductors;
    const configOf = (name: string) => config.services.find((one) => one.name === name);
    const seen = { gateway: scraped, runtime, clock, check: checkOnce, history, addressOf, redact: clean };
    const monitors = new Monitors({ ...seen, services, configOf });
    undo.push(() => monitors.stop());
    monitors.start();
    fleet.start();

    const sweep = cron.schedule(SWEEP, () => sweepStrays(runtime, log), { noOverlap: true });
    undo.push(async () => sweep.destroy());
    undo.push(pruning(config, runtime, () => fleet.conductors, log));
    const reload = async (options: { remove: boolean }) => {
      const next = await loadConfig(config.file, env);
      secrets.push(...next.secrets);
      const done = await fleet.reload(next, options);
      if (!isDeepStrictEqual(next.webhooks, config.webhooks)) {
        void webhooks.stop();
        webhooks = new Webhooks({ webhooks: next.webhooks, clock, log });
      }
      config = next;
      return done;
    };
    api.serve(createApp({ conductors: () => fleet.conductors, reload, journal, metrics, monitors, token, log }));
    log.info(
      { api: `http://${formatAddress(config.api.listen)}`, gateway: `http://${formatAddress(config.gateway.listen)}` },
      'turnout is up',
    );
    return { reload, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the configuration says about where replicas run; `container` is how a gateway is reached that runs beside them. */
async function makeRuntime(config: Config, env: NodeJS.ProcessEnv, log: Log) {
  const { docker, state } = config;
  if (config.runtime === 'process') {
    return { runtime: new ProcessRuntime({ state, env }), container: null, close: async () => undefined };
  }
  // Loaded by those alone who run containers.
  const { DockerRuntime, DockerGatewayContainer, ensureNetwork, removeNetwork } = await import('./runtime/docker/index.ts');
  const { managed } = config.gateway;
  // Whoever brings the gateway up brings the network up, too.
  const made = managed && (await ensureNetwork(docker));
  if (made) log.info({ network: docker.network, subnet: formatSubnet(docker.subnet) }, 'network made');
  const runtime = new DockerRuntime({ docker, log });
  const container = managed ? null : new DockerGatewayContainer(docker);
  const close = async () => {
    await Promise.all([runtime.close(), container?.close()]);
    if (managed) await removeNetwork(docker);
  };
  return { runtime, container, close };
}

function makeHost(config: Config, nginx: NginxHome, container: GatewayContainer | null, log: Log): GatewayHost {
  const folder = gatewayFolder(config.state);
  const { managed, listen: address } = config.gateway;
  if (managed) return new GatewaySupervisor(folder, nginx.command, address, systemClock, log);
  return container ? new ContainerHost(folder, container, systemClock, log) : new ForeignHost(folder, log);
}

/** Images that nothing can need any more go when `docker.prune` says so. Answers how to end that. */
function pruning(
  { runtime: kind, docker }: Config,
  runtime: Runtime,
  conductors: () => Conductor[],
  log: Log,
): () => Promise<void> {
  if (kind === 'process' || docker.prune === null) return async () => undefined;
  const task = cron.schedule(
    docker.prune,
    async () => {
      try {
        const images = await runtime.prune(unneededImages(conductors().map((conductor) => conductor.record)));
        if (images.length > 0) log.info({ images }, 'images that nothing needs any more are removed');
      } catch (error) {
        log.warn({ error: (error as Error).message }, 'removing images failed');
      }
    },
    { noOverlap: true },
  );
  return async () => void task.destroy();
}

async function sweepStrays(runtime: Runtime, log: Log): Promise<void> {
  try {
    const ended = await runtime.sweep();
    if (ended.length > 0) log.warn({ ended }, 'processes that belonged to nothing are ended');
  } catch (error) {
    log.warn({ error: (error as Error).message }, 'the sweep for strays failed');
  }
}

async function forgetService(service: ServiceConfig, runtime: Runtime, gateway: GatewayClient): Promise<void> {
  const replicas = await runtime.list(service.name);
  await Promise.all(replicas.map((replica) => runtime.stop(replica, service.stop)));
  await gateway.forget(service.name);
}
