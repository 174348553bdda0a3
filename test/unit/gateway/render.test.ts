import { describe, expect, test } from 'vitest';
import type { Config } from '../../../sidecar/config/config.ts';
import { listenAddress, type Machine, render } from '../../../sidecar/gateway/render.ts';
import { config, type ServiceParts, serviceConfig } from '../../support/builders-config.ts';

const FOLDER = '/srv/app/.turnout/gateway';

function rendered(services: ServiceParts[], machine: Partial<Machine> = {}, gateway: Partial<Config['gateway']> = {}) {
  const whole = config({ services: services.map((parts) => serviceConfig({ exposeHealth: true, failover: false, ...parts })) });
  const addressOf = (service: string, color: string, slot: number) =>
    `10.0.${service.length}.${color === 'blue' ? slot : 100 + slot}:80`;
  const files = render({ ...whole, gateway: { ...whole.gateway, ...gateway } }, addressOf, {
    module: '',
    version: '1.30.6',
    user: '',
    folder: FOLDER,
    ...machine,
  });
  return files as Record<'machine.conf' | 'upstreams.conf' | 'servers.conf' | 'gateway.json', string>;
}

/** The blocks at the left margin that begin with this. */
function blocks(text: string, head: string): string[] {
  return [...text.matchAll(/^\S.*\{\n(?:.*\n)*?\}/gm)].map(([found]) => found).filter((found) => found.startsWith(head));
}

/** The `location` lines of the server for a host, in their order. */
function locations(text: string, host: string): string[] {
  const server = blocks(text, 'server').find((found) => found.includes(`server_name ${host};`))!;
  return [...server.matchAll(/location (.*) \{/g)].map(([, match]) => match!);
}

describe('upstreams', () => {
  test('hold every set of slots of both colors, each with its own zone', () => {
    const { 'upstreams.conf': text } = rendered([{ maxReplicas: 2 }]);
    const names = [...text.matchAll(/^upstream (\S+) \{\n {4}zone (\S+) 64k;/gm)].map(([, name, zone]) => [name, zone]);
    const wanted = ['blue', 'green'].flatMap((color) => ['1', '2', '1-2'].map((set) => `backend.${color}.${set}`));
    expect(names.sort()).toEqual(wanted.map((name) => [name, name]).sort());
  });

  test('that colors run with while all is well come before all others: nginx searches from the first on', () => {
    const { 'upstreams.conf': text } = rendered([{ name: 'one' }, { name: 'two', replicas: 2, maxReplicas: 3 }]);
    const names = [...text.matchAll(/^upstream (\S+) \{/gm)].map(([, name]) => name);
    expect(names.slice(0, 4)).toEqual(['one.blue.1', 'one.green.1', 'two.blue.1-2', 'two.green.1-2']);
  });

  test('name the addresses of their slots, with failure marks and keepalive', () => {
    const { 'upstreams.conf': text } = rendered([
      { maxReplicas: 2, passive: { maxFails: 5, failTimeout: 3000 }, keepalive: { connections: 7, idle: 1500 } },
    ]);
    expect(blocks(text, 'upstream backend.green.1-2 ')).toEqual([
      `upstream backend.green.1-2 {
    zone backend.green.1-2 64k;
    server 10.0.7.101:80 max_fails=5 fail_timeout=3s;
    server 10.0.7.102:80 max_fails=5 fail_timeout=3s;
    keepalive 7;
    keepalive_timeout 1500ms;
}`,
    ]);
  });

  test('end with one for requests that no route can take', () => {
    const { 'upstreams.conf': text } = rendered([{}], { folder: '/srv/my "app"/gw' });
    expect(blocks(text, 'upstream turnout_none')).toEqual([
      'upstream turnout_none {\n    server "unix:/srv/my \\"app\\"/gw/none.sock";\n}',
    ]);
  });
});

describe('servers', () => {
  test('hand every request of a service to the upstream that its script picks', () => {
    const { 'servers.conf': text } = rendered([{ name: 'web-shop', connectTimeout: 250 }]);
    expect(blocks(text, 'server')[0]).toBe(
      `server {
    listen 127.0.0.1:8080 default_server;
    server_name _;
    location / {
        js_import turnout_pick from njs/pick/web-shop.js;
        js_set $turnout_upstream turnout_pick;
        proxy_pass http://$turnout_upstream;
        proxy_connect_timeout 250ms;
        include turnout/proxy.conf;
    }
}`,
    );
  });

  test('let the other color take over what nginx could not get answered', () => {
    const { 'servers.conf': text } = rendered([{ name: 'web-shop', failover: true, connectTimeout: 250 }]);
    const [server] = blocks(text, 'server');
    expect(server).toContain('error_page 502 504 = @turnout_failover_web-shop;');
    expect(server).toContain(`    location @turnout_failover_web-shop {
        js_import turnout_failover from njs/failover/web-shop.js;
        js_set $turnout_failover turnout_failover;
        proxy_pass http://$turnout_failover;
        proxy_connect_timeout 250ms;
        include turnout/proxy.conf;
    }`);
    expect(rendered([{ failover: false }])['servers.conf']).not.toContain('failover');
  });

  test('are one for each host, and everything else is not found', () => {
    const { 'servers.conf': text } = rendered([
      { name: 'a', route: { host: 'example.org', path: '/' } },
      { name: 'b', route: { host: '*.example.org', path: '/' } },
      { name: 'c', route: { host: 'example.org', path: '/api' } },
    ]);
    const names = [...text.matchAll(/server_name (.*);/g)].map(([, name]) => name);
    expect(names).toEqual(['example.org', '*.example.org', '_']);
    expect(locations(text, 'example.org')).toEqual(['/', '= /api', '/api/']);
    expect(text.match(/default_server/g)).toHaveLength(1);
    expect(blocks(text, 'server').find((found) => found.includes('default_server'))).toMatch(/location \/ \{\n {8}return 404;/);
  });

  test('have no second default server when a service takes every host', () => {
    const { 'servers.conf': text } = rendered([{ name: 'a', route: { host: 'example.org', path: '/' } }, { name: 'b' }]);
    expect(text.match(/default_server/g)).toHaveLength(1);
    expect(text).not.toContain('return 404;');
  });

  test('hide the health path of a service that does not expose it', () => {
    const hidden = (parts: ServiceParts) => locations(rendered([{ exposeHealth: false, ...parts }])['servers.conf'], '_')[0];
    expect(hidden({})).toBe('= "/health"');
    expect(hidden({ health: { path: '/ping?deep=1' } })).toBe('= "/ping"');
    expect(hidden({ route: { host: '*', path: '/api' }, health: { path: '/api/health' } })).toBe('= "/api/health"');
    expect(hidden({ route: { host: '*', path: '/api' } })).toBe('= /api');
    expect(hidden({ route: { host: '*', path: '/api' }, health: { path: '/apiary' } })).toBe('= /api');
    expect(hidden({ health: { path: null } })).toBe('/');
    expect(rendered([{ exposeHealth: false }])['servers.conf']).toContain('location = "/health" {\n        return 404;');
  });

  test('show the color that is not active on a socket of its own', () => {
    const { 'servers.conf': text } = rendered([{ name: 'web-shop' }], { folder: '/srv/g' });
    const preview = blocks(text, 'server').find((found) => found.includes('preview-web-shop.sock'));
    expect(preview).toContain('listen "unix:/srv/g/preview-web-shop.sock";');
    expect(preview).toContain('js_import turnout_preview from njs/preview/web-shop.js;');
    expect(preview).toContain('proxy_pass http://$turnout_preview;');
  });

  test('take a prefix and everything below it, but not what only begins like it', () => {
    const { 'servers.conf': text } = rendered([{ route: { host: '*', path: '/api' } }]);
    expect(locations(text, '_')).toEqual(['= /api', '/api/', '/']);
    expect(text).toMatch(/location \/ \{\n {8}return 404;/);
  });

  test('take a prefix that ends with a slash as it is', () => {
    expect(locations(rendered([{ route: { host: '*', path: '/api/' } }])['servers.conf'], '_')).toEqual(['/api/', '/']);
  });

  test('listen on IPv6', () => {
    const { 'servers.conf': text } = rendered([{}], {}, { listen: { host: '::1', port: 8081 } });
    expect(text).toContain('listen [::1]:8081 default_server;');
    expect(listenAddress({ host: '::', port: 80 })).toBe('[::]:80');
    expect(listenAddress({ host: '0.0.0.0', port: 80 })).toBe('0.0.0.0:80');
  });

  test('listen inside on sockets whose folder may have any name', () => {
    const { 'servers.conf': text } = rendered([{}], { folder: '/srv/a b;"{}\\' });
    for (const name of ['control', 'probe', 'none', 'refused']) {
      expect(text).toContain(`    listen "unix:/srv/a b;\\"{}\\\\/${name}.sock";\n    include turnout/${name}.conf;`);
    }
  });
});

describe('the machine', () => {
  test('loads njs where it is a module, and drops the user where nginx starts as root', () => {
    const { 'machine.conf': text } = rendered([{}], { module: '/opt/my nginx/njs.so', user: 'www web' }, { workers: 2 });
    expect(text).toMatch(/\nload_module "\/opt\/my nginx\/njs\.so";\nuser www web;\nworker_processes 2;\n$/);
  });

  test('is told nothing that it does not need', () => {
    const { 'machine.conf': text } = rendered([{}]);
    expect(text).not.toMatch(/load_module|user/);
    expect(text).toContain('worker_processes auto;');
  });
});

test('control() is told what it may write', () => {
  const { 'gateway.json': text } = rendered([{ maxReplicas: 1 }, { name: 'other', maxReplicas: 2 }]);
  expect(JSON.parse(text)).toEqual({
    routes: `${FOLDER}/routes/`,
    services: { backend: { '1': true }, other: { '1': true, '2': true, '1-2': true } },
  });
});

test('every file but the JSON says that it is rendered', () => {
  for (const [name, text] of Object.entries(rendered([{}]))) {
    if (name.endsWith('.conf')) expect(text.startsWith('# Rendered from turnout.yaml')).toBe(true);
  }
});

test('no value of the environment gets into nginx', () => {
  const files = rendered([{ env: { TOKEN: 'hunter2' }, command: ['run', 'hunter2'] }]);
  expect(JSON.stringify(files)).not.toContain('hunter2');
});
