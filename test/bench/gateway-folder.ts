import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRoute } from '../../njs/route.ts';
import { foundNginx } from '../../sidecar/cli/nginx-home.ts';
import { gatewayFolder, installGateway, type NginxHome, test as testNginx } from '../../sidecar/gateway/install.ts';
import { routeTo } from '../support/builders.ts';
import { config, serviceConfig } from '../support/builders-config.ts';
import { freePort, temporaryFolder } from '../support/processes.ts';

/** The nginx that build/test.js has found. */
export function nginxHome(): NginxHome {
  const home = foundNginx(process.env);
  if (!home) throw new Error('no nginx was found: start the benchmark by `npm run bench`, which finds one');
  return home;
}

export interface GatewayOptions {
  /** `127.0.0.1:port`: every slot of every service is there. */
  backend: string;
  /** How many services; each has a host of its own, `<name>.example`. Default 1, for any host. */
  services?: number;
  /** What they are called: `orders-api`, `users-web`, or `service-1`, `service-2`. Default words. */
  names?: 'words' | 'numbers';
  /** Default 2. */
  maxReplicas?: number;
}

/** A gateway's folder as the sidecar installs it, with a route for each service, for an nginx without a sidecar. */
export class GatewayFolder {
  private constructor(
    readonly root: string,
    readonly folder: string,
    readonly port: number,
    readonly services: string[],
  ) {}

  static async install({
    backend,
    services = 1,
    names: kind = 'words',
    maxReplicas = 2,
  }: GatewayOptions): Promise<GatewayFolder> {
    const root = await temporaryFolder();
    const port = await freePort();
    const names = services === 1 ? ['backend'] : kind === 'words' ? wordyNames(services) : numberedNames(services);
    const whole = config({
      state: join(root, 'state'),
      services: names.map((name) => {
        const route = { host: services === 1 ? '*' : `${name}.example`, path: '/' };
        return serviceConfig({ name, maxReplicas, route });
      }),
    });
    const gateway = { ...whole.gateway, listen: { host: '127.0.0.1', port }, workers: 1 };
    const folder = gatewayFolder(whole.state);
    await mkdir(whole.state, { mode: 0o700 });
    const nginx = nginxHome();
    await installGateway({ ...whole, gateway }, () => backend, nginx, {
      test: (conf) => testNginx(nginx.command, folder, conf),
    });
    for (const name of names) {
      await writeFile(join(folder, 'routes', `${name}.json`), formatRoute({ ...routeTo('blue'), service: name }));
    }
    return new GatewayFolder(root, folder, port, names);
  }

  get conf(): string {
    return join(this.folder, 'conf/nginx.conf');
  }

  /** What a client of that service calls itself to. */
  host(service: string): string {
    return this.services.length === 1 ? '127.0.0.1' : `${service}.example`;
  }

  /** One file of the installed configuration, by its path below `conf`, made another one. */
  async edit(path: string, change: (text: string) => string): Promise<void> {
    const file = join(this.folder, 'conf', path);
    await writeFile(file, change(await readFile(file, 'utf8')));
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

const SUBJECTS =
  'accounts auth billing carts events files invoices mail media notes orders prices reports reviews search shipping stock tasks teams users';
const ROLES = 'admin api cache export feed gateway hooks import jobs proxy stats sync web worker';

/** As people name what they run: a subject, and what it does. Neighbors in the list have neither in common. */
function wordyNames(count: number): string[] {
  const subjects = SUBJECTS.split(' ');
  const roles = ROLES.split(' ');
  const all = subjects.flatMap((_, turn) => roles.map((role, i) => `${subjects[(turn + i) % subjects.length]}-${role}`));
  if (count > all.length) throw new Error(`there are ${all.length} names, not ${count}`);
  return all.slice(0, count);
}

function numberedNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `service-${i + 1}`);
}
