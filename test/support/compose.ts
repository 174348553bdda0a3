import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { Color } from '../../njs/route.ts';
import type { ServiceView } from '../../sidecar/deploy/view.ts';
import type { Deployment } from '../../sidecar/store/deployment.ts';
import { call, type HttpAnswer, type HttpCall } from './http.ts';
import { eventually, freePort, temporaryFolder } from './processes.ts';
import type { CliResult } from './turnout.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface ComposeOptions {
  /** Merged over the backend of examples/compose/turnout.yaml. */
  service?: Record<string, unknown>;
  /** Merged over `docker`. */
  docker?: Record<string, unknown>;
  /** Beside turnout.yaml: their text by name. */
  files?: Record<string, string>;
  /** The engine, as the variables of the docker client say it. Default: the one of this machine. */
  env?: Record<string, string>;
  /** An engine that is not the machine's own, and has the images already. */
  engine?: OtherEngine;
}

export interface OtherEngine {
  /** As DOCKER_HOST says it. */
  address: string;
  /** The folder of its socket, which has to be docker.sock. */
  socketFolder: string;
  /** Calls a port that is published there. */
  call: typeof call;
}

/** The images of compose.yaml, from this tree, on the engine of this machine. */
export async function buildImages(): Promise<void> {
  await promisify(execFile)('docker', ['compose', '-f', join(ROOT, 'compose.yaml'), 'build'], { cwd: ROOT, maxBuffer: 1 << 26 });
}

/** The project's own compose.yaml, brought up under another name, with a network and ports of its own. */
export class Compose {
  private constructor(
    readonly name: string,
    readonly folder: string,
    readonly gatewayPort: number,
    readonly apiPort: number,
    private readonly env: NodeJS.ProcessEnv,
    private readonly engine: OtherEngine | null,
  ) {}

  /** Builds the images and writes the files; nothing runs yet. */
  static async create({ env = {}, engine, ...written }: ComposeOptions = {}): Promise<Compose> {
    const name = `tt${randomBytes(4).toString('hex')}`;
    const where = engine ? { DOCKER_HOST: engine.address } : {};
    const all = { ...process.env, ...where, ...env };
    const compose = new Compose(name, await temporaryFolder(), await freePort(), await freePort(), all, engine ?? null);
    await compose.writeFiles(written);
    if (engine) return compose;
    await buildImages();
    return compose;
  }

  /** `create`, `up`, and the first release is live. */
  static async start(options: ComposeOptions = {}): Promise<Compose> {
    const compose = await Compose.create(options);
    try {
      await compose.up();
      await compose.untilLive();
    } catch (error) {
      const said = await compose.diagnosis();
      await compose.destroy();
      throw new Error(said, { cause: error });
    }
    return compose;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.gatewayPort}`;
  }

  async up(): Promise<void> {
    const { code, stderr } = await this.compose('up', '--detach', '--no-build');
    if (code !== 0) throw new Error(`docker compose up failed:\n${stderr}`);
  }

  async untilLive(release = 'v1'): Promise<void> {
    await eventually(
      `${release} is live`,
      async () => {
        const view = await this.view().catch(() => null);
        return view?.deployment?.release === release && view.deployment.phase === 'live';
      },
      60_000,
    );
  }

  /** One request to a published port. */
  call(one: HttpCall): Promise<HttpAnswer> {
    return (this.engine?.call ?? call)(one);
  }

  /** `docker compose` on these files; never rejects for an exit code. */
  compose(...words: string[]): Promise<CliResult> {
    const files = ['-f', join(ROOT, 'compose.yaml'), '-f', join(this.folder, 'override.yaml')];
    return this.docker('compose', '--project-name', this.name, ...files, ...words);
  }

  docker(...words: string[]): Promise<CliResult> {
    return new Promise((resolve) => {
      execFile('docker', words, { cwd: ROOT, env: this.env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      });
    });
  }

  /** One verb inside the sidecar, as the README shows it. */
  cli(...words: string[]): Promise<CliResult> {
    return this.compose('exec', '--no-TTY', 'sidecar', 'turnout', ...words);
  }

  async token(): Promise<string> {
    return (await this.compose('exec', '--no-TTY', 'sidecar', 'cat', '/var/lib/turnout/token')).stdout.trim();
  }

  private known: string | null = null;

  async api(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    this.known ??= (await this.token()) || null;
    const headers = { authorization: `Bearer ${this.known}` };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    return this.call({ port: this.apiPort, method, path, headers, ...text });
  }

  async view(): Promise<ServiceView> {
    const { status, body } = await this.api('GET', '/v1/services/backend');
    if (status !== 200) throw new Error(`GET /v1/services/backend: ${status} ${body}`);
    return JSON.parse(body) as ServiceView;
  }

  async deployments(): Promise<Deployment[]> {
    return (JSON.parse((await this.api('GET', '/v1/services/backend/deployments')).body) as { deployments: Deployment[] })
      .deployments;
  }

  /** The name of a replica's container. */
  replica(color: Color, slot: number): string {
    return `${this.name}-backend-${color}-${slot}`;
  }

  /** The container of one of compose's services. */
  async container(service: string): Promise<string> {
    return (await this.compose('ps', '--all', '--quiet', service)).stdout.trim();
  }

  async inspect(container: string, format: string): Promise<string> {
    return (await this.docker('inspect', '--format', format, container)).stdout.trim();
  }

  /** Everything that is left of it: containers, networks. */
  async leftovers(): Promise<string[]> {
    const ours = await this.docker('ps', '--all', '--filter', `name=^${this.name}-`, '--format', '{{.Names}}');
    const networks = await this.docker('network', 'ls', '--filter', `name=^${this.name}$`, '--format', '{{.Name}}');
    return `${ours.stdout}\n${networks.stdout}`.split('\n').filter((line) => line !== '');
  }

  async diagnosis(): Promise<string> {
    const all = await this.docker('ps', '--all', '--filter', `name=^${this.name}-`);
    const logs = await this.compose('logs', '--no-color', '--tail', '60', 'sidecar', 'gateway');
    return `${all.stdout}\n${logs.stdout}${logs.stderr}`;
  }

  async destroy(): Promise<void> {
    await this.compose('down', '--volumes', '--timeout', '5');
    const ours = (await this.docker('ps', '--all', '--quiet', '--filter', `name=^${this.name}-`)).stdout
      .split('\n')
      .filter(Boolean);
    if (ours.length > 0) await this.docker('rm', '--force', '--volumes', ...ours);
    await this.docker('network', 'rm', this.name);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async writeFiles({ service = {}, docker = {}, files = {} }: ComposeOptions): Promise<void> {
    const net = await freeNetwork(this);
    const config = parse(await readFile(join(ROOT, 'examples/compose/turnout.yaml'), 'utf8'));
    config.docker.network = this.name;
    config.docker.subnet = `${net}.0/24`;
    Object.assign(config.docker, docker);
    Object.assign(config.services.backend, service);
    await mkdir(join(this.folder, 'etc'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(this.folder, 'etc', name), text);
    await writeFile(join(this.folder, 'etc/turnout.yaml'), stringify(config));
    const volumes = (parse(await readFile(join(ROOT, 'compose.yaml'), 'utf8')).services.sidecar.volumes as string[]).map((one) =>
      one
        .replace('./examples/compose', join(this.folder, 'etc'))
        .replace(/^\/var\/run:/, `${this.engine?.socketFolder ?? '/var/run'}:`),
    );
    const ipam = stringify([{ subnet: `${net}.0/24`, gateway: `${net}.1`, ip_range: `${net}.0/26` }]);
    const override = [
      'services:',
      `  gateway: { ports: !override ["127.0.0.1:${this.gatewayPort}:8080"] }`,
      `  sidecar: { ports: !override ["127.0.0.1:${this.apiPort}:8090"], volumes: !override ${JSON.stringify(volumes)} }`,
      'networks:',
      `  turnout: { name: ${this.name}, ipam: { config: !override ${JSON.stringify(parse(ipam))} } }`,
    ];
    await writeFile(join(this.folder, 'override.yaml'), `${override.join('\n')}\n`);
  }
}

/** Three bytes of a network that no other one of the engine's has. */
async function freeNetwork(compose: Compose): Promise<string> {
  const ids = (await compose.docker('network', 'ls', '--quiet')).stdout.split('\n').filter(Boolean);
  const used = (await compose.docker('network', 'inspect', ...ids, '--format', '{{range .IPAM.Config}}{{.Subnet}} {{end}}'))
    .stdout;
  for (;;) {
    const net = `172.30.${Math.floor(Math.random() * 256)}`;
    if (!used.includes(`${net}.`)) return net;
  }
}
