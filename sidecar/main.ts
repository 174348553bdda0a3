import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createApp } from './api/app.ts';
import { listen } from './api/listen.ts';
import { loadToken } from './api/token.ts';
import { systemClock } from './clock.ts';
import { formatAddress } from './config/address.ts';
import type { Config } from './config/config.ts';
import { redact } from './config/redact.ts';
import { Conductor } from './deploy/conductor.ts';
import { GatewayClient } from './gateway/client.ts';
import { gatewayFolder, installGateway, type NginxHome } from './gateway/install.ts';
import { GatewaySupervisor } from './gateway/supervisor.ts';
import type { Log } from './log.ts';
import { ProcessRuntime } from './runtime/process/process-runtime.ts';
import { Journal } from './store/journal.ts';
import { loadRecords } from './store/load.ts';
import { lockState } from './store/lock.ts';
import { Slots } from './store/slots.ts';

export interface Sidecar {
  /** Stops the gateway and every replica of the state folder, adopted ones included. */
  stop(): Promise<void>;
}

/**
 * Puts everything together and starts it, in the order in which each part needs the others: the state folder is ours,
 * addresses are known, the gateway answers, replicas are conducted, the API listens. What was started is stopped again
 * when a later part cannot start.
 */
export async function startSidecar(config: Config, nginx: NginxHome, env: NodeJS.ProcessEnv, log: Log): Promise<Sidecar> {
  const clock = systemClock;
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await mkdir(config.state, { recursive: true, mode: 0o700 });
    undo.push(await lockState(config.state));
    const token = await loadToken(config.state);
    const slots = await Slots.allocate(config);
    const addressOf = slots.address.bind(slots);
    const { journal, events, torn } = await Journal.open(join(config.state, 'journal.jsonl'));
    undo.push(() => journal.close());
    if (torn !== null) log.warn({ bytes: torn.length }, 'the last line of the journal was torn by a crash and is dropped');

    // The API's address is taken before anything is started: a stranger there must not cost a running gateway.
    const server: Server = await listen(config.api.listen);
    undo.push(() => new Promise((resolve) => server.close(resolve) && server.closeAllConnections()));

    const folder = gatewayFolder(config.state);
    const changed = await installGateway(config, addressOf, nginx);
    const supervisor = new GatewaySupervisor(folder, config.gateway.listen, clock, log);
    const runtime = new ProcessRuntime({ state: config.state, env });
    await supervisor.start(changed);
    undo.push(async () => {
      await supervisor.stop();
      const stopOf = (service: string) => config.services.find((one) => one.name === service)?.stop ?? DEFAULT_STOP;
      await Promise.all((await runtime.list()).map((replica) => runtime.stop(replica, stopOf(replica.service))));
    });

    const gateway = new GatewayClient(folder);
    undo.push(() => gateway.close());
    const ports = { gateway, runtime, clock, addressOf };
    const records = loadRecords(events, clock);
    const conductors = config.services.map(
      (service) =>
        new Conductor({
          config: service,
          record: records(service.name),
          journal,
          ports,
          log,
          redact: (text) => redact(text, config.secrets),
        }),
    );
    undo.push(() => Promise.all(conductors.map((conductor) => conductor.stop())));
    for (const conductor of conductors) conductor.start();
    server.on('request', createApp({ conductors, token, log }));
    log.info(
      { api: `http://${formatAddress(config.api.listen)}`, gateway: `http://${formatAddress(config.gateway.listen)}` },
      'turnout is up',
    );
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** For replicas of a service that turnout.yaml does not name any more. */
const DEFAULT_STOP = { signal: 'SIGTERM' as const, timeout: 10_000 };
