import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, cp, lchown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { GatewayHost } from './host.ts';
import { configuration, INSTALLED, installedText } from './installed.ts';
import { type Owner, ownerOf } from './owner.ts';
import { type AddressOf, render } from './render.ts';
import { startScript } from './start-script.ts';

/** The nginx that the configuration is for, and where Turnout's own files are. */
export interface NginxHome {
  /** The words that start nginx; none where it is started elsewhere. */
  command: string[];
  /** Absolute path of ngx_http_js_module.so; '' when njs is compiled in. */
  module: string;
  /** nginx' version, e.g. 1.30.6; '' when nobody knows. */
  version: string;
  /** Folder with nginx/ and dist/njs/. */
  home: string;
}

export function gatewayFolder(state: string): string {
  return join(state, 'gateway');
}

/**
 * Writes the gateway's configuration and its start script. The whole configuration lies in one folder named by its
 * content, is tested by `nginx -t` there, and comes into force by one rename: nothing is ever half-installed. Answers
 * whether anything changed; rejects with `nginx-refused` and nginx' own words otherwise.
 */
export async function installGateway(
  config: Config,
  addressOf: AddressOf,
  nginx: NginxHome,
  host: Pick<GatewayHost, 'test'>,
): Promise<boolean> {
  const folder = gatewayFolder(config.state);
  const owner = await ownerOf(config.state);
  for (const name of ['', 'routes', 'tmp']) await makeFolder(join(folder, name), owner);
  const { managed } = config.gateway;
  const machine = { module: nginx.module, version: nginx.version, user: managed ? (owner?.user ?? '') : '', folder };
  const fresh = join(folder, `conf-new-${process.pid}`);
  await rm(fresh, { recursive: true, force: true });
  await cp(join(nginx.home, 'nginx'), fresh, { recursive: true });
  for (const [name, text] of Object.entries(render(config, addressOf, machine))) await write(join(fresh, 'rendered', name), text);
  await installScripts(config, folder, fresh, nginx.home);
  const name = `conf-${await digest(fresh)}`;
  await write(join(fresh, INSTALLED), installedText(name));
  const current = await configuration(folder);
  try {
    await host.test(fresh);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
  if (managed) {
    await write(join(folder, 'start'), startScript(folder, nginx.command));
    await chmod(join(folder, 'start'), 0o700);
  }
  if (current === name) {
    await rm(fresh, { recursive: true, force: true });
    return false;
  }
  await rm(join(folder, name), { recursive: true, force: true });
  await rename(fresh, join(folder, name));
  const link = join(folder, `conf-link-${process.pid}`);
  await symlink(name, link);
  if (owner) await lchown(link, owner.uid, owner.gid);
  await rename(link, join(folder, 'conf'));
  await forgetOthers(folder, name);
  return true;
}

/** What decides about requests once per service with its literals, in a folder for each, and control(). */
export async function installScripts(config: Config, folder: string, into: string, home: string): Promise<void> {
  for (const bundle of ['pick', 'preview', 'failover']) {
    const text = await readFile(join(home, `dist/njs/${bundle}.js`), 'utf8');
    for (const service of config.services) {
      const filled = text
        .replaceAll('@SERVICE@', service.name)
        .replaceAll('@ROUTES@', jsText(`${folder}/routes/`))
        .replaceAll('njsRequire(', 'require(');
      await write(join(into, 'njs', bundle, `${service.name}.js`), filled);
    }
  }
  for (const bundle of ['control', 'watch']) {
    await write(join(into, 'njs', `${bundle}.js`), await readFile(join(home, `dist/njs/${bundle}.js`), 'utf8'));
  }
}

/** `text` inside a string literal of JavaScript, whatever its quotes. */
function jsText(text: string): string {
  return text.replace(/[\\"'`$]/g, '\\$&');
}

/** `nginx -t` on that folder. */
export function test(command: string[], folder: string, conf: string): Promise<void> {
  const [program, ...words] = command as [string, ...string[]];
  const args = [...words, '-t', '-q', '-p', `${folder}/`, '-e', `${folder}/error.log`, '-c', join(conf, 'nginx.conf')];
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout, stderr) => {
      if (!error) return resolve();
      const said = `${stderr}${stdout}`.trim() || error.message;
      reject(new TurnoutError('nginx-refused', `nginx -t refuses the rendered configuration:\n${said}`));
    });
  });
}

async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const path of paths)
    hash
      .update(path.slice(folder.length))
      .update('\0')
      .update(await readFile(path))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

async function forgetOthers(folder: string, keep: string): Promise<void> {
  const old = (await readdir(folder)).filter((name) => /^conf-/.test(name) && name !== keep);
  for (const name of old) await rm(join(folder, name), { recursive: true, force: true });
}

async function makeFolder(path: string, owner: Owner | null): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  if (owner) await chown(path, owner.uid, owner.gid);
}

export async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}`);
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, path);
}
