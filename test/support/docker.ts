import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomInt, randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import Dockerode from 'dockerode';

import type { DockerConfig, Subnet } from '../../sidecar/config/config.ts';
import { addressAt, formatSubnet } from '../../sidecar/config/subnet.ts';
import { DockerRuntime } from '../../sidecar/runtime/docker/index.ts';
import type { ContainerSpec, Replica, ReplicaSpec, Runtime } from '../../sidecar/runtime/runtime.ts';
import { eventually, fixture, send } from './processes.ts';

export const SOCKET = '/var/run/docker.sock';

/** The engine itself, whatever the product believes. */
export const docker = new Dockerode({ socketPath: SOCKET, host: undefined, port: undefined, protocol: 'http' });

let missing: string | null | undefined;

/**
 * For `describe.skipIf`: why tests with containers are left out, which stderr is told as well. Null when there is an engine.
 * In CI (`CI=true`) it throws instead: a test that is left out there proves nothing.
 */
export function engineMissing(): string | null {
  missing ??= whyMissing();
  if (missing !== null && process.env.CI === 'true') throw new Error(missing);
  return missing;
}

function whyMissing(): string | null {
  const ask = `require('http').get({ socketPath: '${SOCKET}', path: '/_ping', timeout: 5000 }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1))
    .on('timeout', () => process.exit(1)).on('error', () => process.exit(1));`;
  try {
    execFileSync(process.execPath, ['-e', ask], { stdio: 'ignore' });
    return null;
  } catch {
    const why = `No Docker Engine answers on ${SOCKET}: tests with containers are left out (.ci/engine starts one)`;
    process.stderr.write(`${why}\n`);
    return why;
  }
}

/** Names what a test file makes, so that it is told from what others make. */
export const TEST_LABEL = 'dev.turnout.test';

let image: Promise<string> | undefined;

/** An image with nothing in it but the Node that runs the tests, at the same place, and the users root and app (1000). */
export function fixtureImage(): Promise<string> {
  image ??= buildFixture();
  return image;
}

async function buildFixture(): Promise<string> {
  const { size, mtimeMs } = await stat(process.execPath);
  const identity = ['3', process.execPath, process.version, size, mtimeMs].join(' ');
  const tag = createHash('sha256').update(identity).digest('hex').slice(0, 12);
  const name = `turnout-test-fixture:${tag}`;
  if (await imageId(name)) return name;
  const libraries = [...execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)].map(
    ([, path]) => path!,
  );
  const folder = await mkdtemp(join(tmpdir(), 'turnout-fixture-'));
  try {
    await mkdir(join(folder, 'etc'));
    await mkdir(join(folder, 'tmp'));
    await chmod(join(folder, 'tmp'), 0o1777);
    await writeFile(join(folder, 'etc/passwd'), 'root:x:0:0::/:/none\napp:x:1000:1000::/:/none\n');
    await writeFile(join(folder, 'etc/group'), 'root:x:0:\napp:x:1000:\n');
    await writeFile(join(folder, 'not-executable'), '');
    const paths = [process.execPath, ...libraries].map((path) => path.slice(1));
    await importTar(['-C', '/', '-h', ...paths, '-C', folder, 'etc', 'tmp', 'not-executable'], name);
  } finally {
    await rm(folder, { recursive: true });
  }
  return name;
}

/** An image that holds one file; never run. Its id. */
export async function tinyImage(name: string, content: string = randomUUID()): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'turnout-tiny-'));
  try {
    await writeFile(join(folder, 'content'), content);
    await importTar(['-C', folder, 'content'], name);
  } finally {
    await rm(folder, { recursive: true });
  }
  return (await imageId(name))!;
}

async function importTar(args: string[], name: string): Promise<void> {
  const tar = spawn('tar', ['-c', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [repo, tag] = split(name);
  const said = await text(await docker.importImage(tar.stdout, { repo, tag }));
  if (said.includes('"error"')) throw new Error(`The image ${name} cannot be made: ${said}`);
}

export function split(name: string): [string, string] {
  const colon = name.lastIndexOf(':');
  return [name.slice(0, colon), name.slice(colon + 1)];
}

export async function imageId(name: string): Promise<string | null> {
  return docker
    .getImage(name)
    .inspect()
    .then(({ Id }) => Id)
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode === 404) return null;
      throw error;
    });
}

/** Runs until it is stopped, prints `ready` when it may be, and then what is sent to its address. */
const SERVE = `
  require('net').createServer((socket) => { socket.on('error', () => {}); socket.pipe(process.stdout, { end: false }); })
    .listen(process.env.PORT, () => console.log('ready'));`;

/** Commands for the fixture image. */
export const contained = {
  serves: node(SERVE),
  ignoresSigterm: node(`process.on('SIGTERM', () => console.log('no')); ${SERVE}`),
  endsAfter: (ms: number) =>
    node(`process.on('SIGTERM', () => setTimeout(() => { console.log('bye'); process.exit(0); }, ${ms})); ${SERVE}`),
  /** Prints what this expression yields, as JSON, and runs on. */
  tells: (expression: string) => node(`console.log(JSON.stringify(${expression})); ${SERVE}`),
  eats: node(`${SERVE} const held = []; setInterval(() => held.push(Buffer.alloc(8e6, 1)), 10);`),
  speaks: fixture.speaks,
};

export function node(code: string): string[] {
  return [process.execPath, '-e', code];
}

/** Tests must not meet: each file has a network of its own, in addresses that nobody else uses. */
export class TestNetwork {
  readonly name: string;
  readonly subnet: Subnet;
  #next = 100;

  static async make(labels: Record<string, string> = {}): Promise<TestNetwork> {
    for (let tries = 0; ; tries++) {
      const network = new TestNetwork(`turnout-test-${randomUUID().slice(0, 8)}`, freeSubnet());
      try {
        await network.create(labels);
        return network;
      } catch (error) {
        if (tries > 20 || !/overlap/i.test(String(error))) throw error;
      }
    }
  }

  constructor(name: string, subnet: Subnet) {
    this.name = name;
    this.subnet = subnet;
  }

  async create(labels: Record<string, string> = {}): Promise<void> {
    const Config = [
      { Subnet: formatSubnet(this.subnet), Gateway: addressAt(this.subnet, 1), IPRange: `${this.subnet.address}/26` },
    ];
    const Labels = { [TEST_LABEL]: this.name, ...labels };
    await docker.createNetwork({ Name: this.name, Driver: 'bridge', IPAM: { Driver: 'default', Config }, Labels });
  }

  /** Each at most once. */
  address(): string {
    return `${addressAt(this.subnet, this.#next++)}:8000`;
  }

  config(over: Partial<DockerConfig> = {}): DockerConfig {
    const { name: network, subnet } = this;
    return { socket: SOCKET, host: null, tls: null, network, subnet, registryAuth: null, prune: null, ...over };
  }

  /** Everything that is ours, and everything that a test has marked as its own. */
  async containers(): Promise<Dockerode.ContainerInfo[]> {
    const all = await docker.listContainers({ all: true });
    return all.filter(({ Labels }) => Labels['dev.turnout.network'] === this.name || Labels[TEST_LABEL] === this.name);
  }

  async clear(): Promise<void> {
    for (const { Id } of await this.containers()) {
      await docker
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => {});
    }
  }

  async remove(): Promise<void> {
    await this.clear();
    await docker
      .getNetwork(this.name)
      .remove()
      .catch(() => {});
  }
}

export function freeSubnet(): Subnet {
  return { address: `172.30.${randomInt(0, 256)}.0`, bits: 24 };
}

export function containerSpec(over: Partial<ContainerSpec> & { image: string }): ContainerSpec {
  return {
    secrets: {},
    cpus: null,
    memory: null,
    user: null,
    readOnly: false,
    capDrop: [],
    tmpfs: [],
    volumes: [],
    init: true,
    log: { maxSize: 10 * 1024 ** 2, maxFiles: 3 },
    ...over,
  };
}

/** A network, a runtime on it, and a way to see what the engine really has. */
export class DockerBench {
  readonly network: TestNetwork;
  readonly runtime: Runtime;
  readonly #image: string;
  readonly #open: DockerRuntime[] = [];

  static async make(network: TestNetwork, over: Partial<DockerConfig> = {}): Promise<DockerBench> {
    return new DockerBench(network, await fixtureImage(), over);
  }

  private constructor(network: TestNetwork, image: string, over: Partial<DockerConfig>) {
    this.network = network;
    this.#image = image;
    this.runtime = this.newRuntime(over);
  }

  /** A sidecar that knows no more than what the engine tells. */
  newRuntime(over: Partial<DockerConfig> = {}): DockerRuntime {
    const runtime = new DockerRuntime({ docker: this.network.config(over) });
    this.#open.push(runtime);
    return runtime;
  }

  async spec(over: Partial<ReplicaSpec> = {}, container: Partial<ContainerSpec> = {}): Promise<ReplicaSpec> {
    return {
      service: 'backend',
      color: 'blue',
      slot: 1,
      address: this.network.address(),
      release: 'v1',
      deployment: 'd1',
      command: contained.serves,
      cwd: '/',
      env: {},
      stop: { signal: 'SIGTERM', timeout: 5000 },
      container: containerSpec({ image: this.#image, ...container }),
      ...over,
    };
  }

  async startShort(spec: ReplicaSpec, lines: string[], code: number): Promise<Replica> {
    return this.runtime.start({ ...spec, command: contained.speaks(lines, code) });
  }

  async startSpeaker(spec: ReplicaSpec): Promise<Replica> {
    const replica = await this.runtime.start(spec);
    await this.says(replica, 'ready');
    return replica;
  }

  async startReady(over: Partial<ReplicaSpec> = {}, container: Partial<ContainerSpec> = {}): Promise<Replica> {
    return this.startSpeaker(await this.spec(over, container));
  }

  async speak(replica: Replica, lines: string[]): Promise<void> {
    await send(replica.address, lines.map((line) => `${line}\n`).join(''));
  }

  /** Without an init, which would be started in its place and exit with 127. */
  async startRefused(spec: ReplicaSpec): Promise<Replica> {
    const container = { ...spec.container!, init: false };
    return this.runtime.start({ ...spec, container, command: ['no-such-program-anywhere'] });
  }

  /** Waits for a line that begins so, and yields the rest of it. */
  async says(replica: Replica, begin: string): Promise<string> {
    const line = await eventually(`the replica says "${begin}"`, async () =>
      (await this.runtime.tail(replica, 1000)).find((one) => one.startsWith(begin)),
    );
    return line.slice(begin.length).trim();
  }

  async inspect({ id }: Replica): Promise<Dockerode.ContainerInspectInfo> {
    return docker.getContainer(id.slice(0, 12)).inspect();
  }

  /** As a crash does it: no signal of Docker's, which would keep the restart policy from acting. */
  async crash(replica: Replica): Promise<void> {
    process.kill((await this.inspect(replica)).State.Pid, 'SIGKILL');
  }

  async close(): Promise<void> {
    for (const runtime of this.#open) await runtime.close();
    await this.network.clear();
  }
}

/** A way to the engine that can be cut, so that for whoever uses it the engine goes away. */
export class EngineProxy {
  readonly socket: string;
  readonly #folder: string;
  readonly #open = new Set<Socket>();
  #server: Server | null = null;
  #cutAt: { pattern: RegExp; before: boolean } | null = null;
  /** Requests seen, as `GET /path`. */
  readonly requests: string[] = [];

  static async make(): Promise<EngineProxy> {
    const proxy = new EngineProxy(await mkdtemp(join(tmpdir(), 'turnout-engine-')));
    await proxy.restore();
    return proxy;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.socket = join(folder, 'docker.sock');
  }

  /** As if the engine ended: nobody listens any more, and what is open breaks. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#cutAt = null;
    const closed = server && new Promise((resolve) => server.close(resolve));
    this.break();
    await closed;
  }

  /** What is open breaks; the engine is still there. */
  break(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Cuts when a request like this is made: before the engine hears of it, or when it has answered. */
  cutAt(pattern: RegExp, before = false): void {
    this.#cutAt = { pattern, before };
  }

  async restore(): Promise<void> {
    const server = createServer((client) => this.#forward(client));
    this.#server = server;
    await rm(this.socket, { force: true });
    await new Promise<void>((resolve) => server.listen(this.socket, resolve));
  }

  async close(): Promise<void> {
    await this.cut();
    await rm(this.#folder, { recursive: true });
  }

  #forward(client: Socket): void {
    const engine = dial(SOCKET);
    let doomed = false;
    for (const socket of [client, engine]) {
      this.#open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#open.delete(socket);
        client.destroy();
        engine.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      const request = /^([A-Z]+ \S+) HTTP/.exec(chunk.toString('latin1', 0, 4096))?.[1];
      if (request) this.requests.push(request);
      if (request && this.#cutAt?.pattern.test(request)) {
        if (this.#cutAt.before) return void this.cut();
        doomed = true;
      }
      engine.write(chunk);
    });
    engine.on('data', (chunk: Buffer) => {
      if (doomed) void this.cut();
      else client.write(chunk);
    });
    client.on('end', () => engine.end());
    engine.on('end', () => client.end());
  }
}
