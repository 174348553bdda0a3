import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, temporaryFolder } from '../support/processes.ts';
import { ROOT, Turnout } from '../support/turnout.ts';
import { family, pin } from './cpu.ts';
import { nginxHome } from './gateway-folder.ts';
import type { Peers } from './peers.ts';
import { backendCommand, pinned, Server, temporaryPaths, writeBackend } from './servers.ts';

/** Where what is measured runs; the load and the application are on the other core. */
export const MEASURED = 0;
export const OTHERS = 1;

/** A proxy in front of the one application, on a core of its own. */
export interface Contender {
  name: string;
  port: number;
  /** That every request to it needs. */
  headers?: Record<string, string>;
  /** Its processes now. */
  pids(): number[];
  stop(): Promise<void>;
}

/** As many as the load has connections: none is closed and opened again by anyone. */
const KEEPALIVE = 1024;

/**
 * Turnout whole, as a user runs it: sidecar, gateway (default: with one worker), and the application as its replica. The others proxy to
 * that same replica.
 */
export async function startTurnout({ workers = 1 } = {}): Promise<{ turnout: Turnout; contender: Contender; backend: string }> {
  const folder = await temporaryFolder();
  await writeBackend(folder);
  const turnout = await Turnout.create({
    service: { command: backendCommand(folder), keepalive: { connections: KEEPALIVE } },
    workers,
  });
  await turnout.up();
  await turnout.untilLive();
  pin(OTHERS, family(turnout.child?.pid as number));
  // More than one has all cores, as without a benchmark.
  if (workers === 1) pin(MEASURED, family(turnout.masterPid()));
  const replica = (await turnout.view()).colors.blue.replicas[0];
  const contender = {
    name: 'Turnout',
    port: turnout.gatewayPort,
    pids: () => family(turnout.masterPid()),
    stop: async () => {
      await turnout.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return { turnout, contender, backend: replica?.address as string };
}

/** nginx with a fixed upstream. */
export function plainNginx(backend: string): Promise<Contender> {
  return nginx('nginx, fixed upstream', nginxHome().command, { backend, location: 'proxy_pass http://backend.blue.1;' });
}

/** What calling any JavaScript at all costs. */
export function emptyJsSet(backend: string): Promise<Contender> {
  const home = nginxHome();
  return nginx('nginx, empty js_set', home.command, {
    backend,
    modules: home.module === '' ? [] : [home.module],
    location: 'js_import empty from empty.js; js_set $upstream empty; proxy_pass http://$upstream;',
    files: { 'empty.js': "function pick(r) { return 'backend.blue.1'; }\nexport { pick as default };\n" },
  });
}

/** The same decision and the same counters from Lua's shared dicts. */
export function nginxLua(backend: string, { nginx: command, usr }: Peers): Promise<Contender> {
  return nginx('nginx, Lua', command, {
    backend,
    modules: ['ndk_http_module', 'ngx_http_lua_module'].map((name) => join(usr, `lib/nginx/modules/${name}.so`)),
    http: `lua_package_path '${usr}/share/lua/5.1/?.lua;;';
lua_shared_dict routes 1m;
lua_shared_dict traffic 8m;
init_by_lua_block { ngx.shared.routes:set('backend', 'backend.blue.1') }`,
    location: `set_by_lua_block $upstream {
    local upstream = ngx.shared.routes:get('backend')
    local key = upstream .. '.' .. ngx.worker.pid() .. '.'
    ngx.ctx.key = key
    ngx.shared.traffic:incr(key, 1, 0)
    return upstream
}
log_by_lua_block {
    local time = tonumber(ngx.var.request_time)
    local bucket = 1
    local bound = 0.005
    while time > bound and bucket < 13 do
        bucket = bucket + 1
        bound = bound * 2
    end
    local status = ngx.status
    local class = (status == 499 or status == 0) and 9 or math.floor(status / 100)
    ngx.shared.traffic:incr(ngx.ctx.key .. class .. bucket, 1, 0)
}
proxy_pass http://$upstream;`,
  });
}

/** HAProxy, whose map can be changed at run time over its socket. */
export async function haproxy(backend: string, { haproxy: command }: Peers): Promise<Contender> {
  const folder = await temporaryFolder();
  const port = await freePort();
  await writeFile(join(folder, 'routes.map'), 'backend blue\n');
  await writeFile(
    join(folder, 'haproxy.cfg'),
    `global
    nbthread 1
    maxconn 8192
    stats socket ${folder}/admin.sock level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend public
    bind 127.0.0.1:${port} backlog 4096
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request del-header Forwarded
    http-request del-header Proxy
    use_backend %[str(backend),map(${folder}/routes.map,none)]
backend blue
    server one ${backend}
backend none
    http-request return status 503
`,
  );
  const server = await Server.start(pinned(MEASURED, [...command, '-f', join(folder, 'haproxy.cfg'), '-db']), port);
  return contender('HAProxy, map', port, server, folder);
}

export async function caddy(backend: string, { caddy: command }: Peers): Promise<Contender> {
  const folder = await temporaryFolder();
  const port = await freePort();
  await writeFile(
    join(folder, 'Caddyfile'),
    `{
    admin off
    auto_https off
    persist_config off
}
http://127.0.0.1:${port} {
    reverse_proxy ${backend} {
        header_up X-Real-IP {remote_host}
        header_up X-Forwarded-Port {port}
        header_up -Forwarded
        header_up -Proxy
        transport http {
            keepalive_idle_conns_per_host ${KEEPALIVE}
        }
    }
}
`,
  );
  const words = [...command, 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
  const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, GOMAXPROCS: '1' };
  return contender('Caddy', port, await Server.start(pinned(MEASURED, words), port, { env }), folder);
}

/**
 * Another one, from TURNOUT_BENCH_OTHER: a name, `=`, and the command that starts it, in which `{port}` and `{backend}` stand for
 * where to listen and where to send to, e.g. `mine=/opt/mine --listen 127.0.0.1:{port} --to {backend}`.
 */
export async function other(backend: string, text: string): Promise<Contender> {
  const [, name, command] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!name || !command) throw new Error(`TURNOUT_BENCH_OTHER is ${JSON.stringify(text)}, expected NAME=COMMAND`);
  const port = await freePort();
  const words = command.split(' ').map((word) => word.replace('{port}', String(port)).replace('{backend}', backend));
  return contender(name, port, await Server.start(pinned(MEASURED, words), port), await temporaryFolder());
}

interface NginxParts {
  backend: string;
  location: string;
  /** Absolute paths. */
  modules?: string[];
  http?: string;
  files?: Record<string, string>;
}

/** One worker, with Turnout's own settings and headers. */
async function nginx(name: string, command: string[], parts: NginxParts): Promise<Contender> {
  const { backend, location, modules = [], http = '', files = {} } = parts;
  const folder = await temporaryFolder();
  const port = await freePort();
  const ours = (file: string) => readFile(join(ROOT, 'nginx', file), 'utf8');
  const settings = (await ours('nginx.conf')).split(/client_body_temp_path|include turnout/)[1] as string;
  await mkdir(join(folder, 'logs'));
  await writeFile(
    join(folder, 'nginx.conf'),
    `${modules.map((path) => `load_module ${path};`).join('\n')}
worker_processes 1;
pid ${folder}/nginx.pid;
daemon off;
events { worker_connections 16384; }
http {
${temporaryPaths(folder)}
${settings
  .split('\n')
  .slice(1)
  .filter((line) => !line.includes('_temp_path'))
  .join('\n')}
${(await ours('turnout/http.conf')).replace(/^js_.*$/gm, '')}
keepalive_min_timeout 5s;
${http}
upstream backend.blue.1 {
    zone backend.blue.1 64k;
    server ${backend} max_fails=3 fail_timeout=2s;
    keepalive ${KEEPALIVE};
    keepalive_timeout 4s;
}
server {
    listen 127.0.0.1:${port};
    location / {
${location}
proxy_connect_timeout 1s;
${await ours('turnout/proxy.conf')}
    }
}
}
`,
  );
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  const words = [...command, '-p', `${folder}/`, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')];
  return contender(name, port, await Server.start(pinned(MEASURED, words), port), folder);
}

function contender(name: string, port: number, server: Server, folder: string): Contender {
  const stop = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { name, port, pids: () => family(server.pid), stop };
}
