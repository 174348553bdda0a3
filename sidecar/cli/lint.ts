import { cp, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { LONGEST_SOCKET } from '../config/checks.ts';
import type { Address, Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { TurnoutError } from '../errors.ts';
import { gatewayFolder, installScripts, type NginxHome, test, write } from '../gateway/install.ts';
import { INSTALLED, installedText } from '../gateway/installed.ts';
import { ownerOf } from '../gateway/owner.ts';
import { render } from '../gateway/render.ts';
import { compareWithCompose } from './compose-file.ts';
import { type Common, configFile } from './context.ts';
import { DONE } from './exit.ts';
import { foundNginx } from './nginx-home.ts';
import { print, printJson } from './output.ts';
import { withScratch } from './scratch.ts';
import { slotAddresses } from './slot-addresses.ts';

/** Is turnout.yaml one that `up` would take? Reads, and writes nothing but a folder in /tmp that it removes again. */
export async function lint(options: Common): Promise<number> {
  const file = configFile(options);
  const config = await loadConfig(file, process.env);
  checkSockets(file, config);
  const together = config.runtime === 'docker' && !config.gateway.managed;
  const compose = together ? await compareWithCompose(config, process.env) : null;
  const nginx = foundNginx(process.env);
  await withScratch(async (folder) => {
    const addressOf = await slotAddresses(config, folder, 'if-readable');
    if (nginx) await testInside(folder, config, addressOf, nginx);
  });
  const services = config.services.map(({ name }) => name);
  if (options.json) {
    printJson({ file: config.file, valid: true, services, compose, nginx: nginx ? 'accepted' : 'not-checked' });
    return DONE;
  }
  print(`${file} is valid: ${services.length} service${services.length === 1 ? '' : 's'}`);
  if (compose) print(`${compose} gives the network ${config.docker.network} the same addresses`);
  if (!nginx) print("nginx' own check (nginx -t) was left out: no nginx with njs was found, see `turnout doctor`");
  return DONE;
}

/** nginx says it only at `up`, and not whose fault it is; the loader looks at the control socket alone. */
function checkSockets(file: string, config: Config): void {
  const problems = config.services.flatMap(({ name }) => {
    const socket = join(gatewayFolder(config.state), `preview-${name}.sock`);
    const length = Buffer.byteLength(socket);
    if (length <= LONGEST_SOCKET) return [];
    const found = `found the service ${name} whose socket ${JSON.stringify(socket)} has a path of ${length} bytes`;
    return [`${file}: ${found}, expected at most ${LONGEST_SOCKET}: choose a shorter state folder`];
  });
  if (problems.length > 0) throw new TurnoutError('config-invalid', problems.join('\n'));
}

/**
 * As installGateway does it, but with everything in `folder`, its sockets too. `nginx -t` binds what it listens on: it gets an
 * address that this process holds, so that neither a free nor a privileged port of the real one plays a part.
 */
async function testInside(
  folder: string,
  config: Config,
  addressOf: Parameters<typeof render>[1],
  nginx: NginxHome,
): Promise<void> {
  for (const name of ['routes', 'tmp']) await mkdir(join(folder, name));
  const conf = join(folder, 'conf');
  await cp(join(nginx.home, 'nginx'), conf, { recursive: true });
  await installScripts(config, folder, conf, nginx.home);
  const machine = { module: nginx.module, version: nginx.version, user: (await ownerOf(folder))?.user ?? '', folder };
  await holding(async (listen) => {
    const private_ = { ...config, gateway: { ...config.gateway, listen } };
    for (const [name, text] of Object.entries(render(private_, addressOf, machine)))
      await write(join(conf, 'rendered', name), text);
    await write(join(conf, INSTALLED), installedText('conf-lint'));
    await test(nginx.command, folder, conf).catch((thrown) => {
      const { code, message, hint } = TurnoutError.from(thrown);
      throw new TurnoutError(code, message.replaceAll(`${conf}/`, ''), { hint, cause: thrown });
    });
  });
}

async function holding(work: (address: Address) => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  try {
    await work({ host: '127.0.0.1', port });
  } finally {
    server.close();
  }
}
