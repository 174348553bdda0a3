import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import { gatewayFolder } from '../gateway/install.ts';
import { ownerOf } from '../gateway/owner.ts';
import { render } from '../gateway/render.ts';
import { type Common, configFile } from './context.ts';
import { DONE } from './exit.ts';
import { foundNginx } from './nginx-home.ts';
import { print, printJson, progress } from './output.ts';
import { withScratch } from './scratch.ts';
import { slotAddresses } from './slot-addresses.ts';

/** Shows what `up` and `reload` would render. No value of `env` is an input of it, so none can be in it. */
export async function renderFiles(options: Common): Promise<number> {
  const config = await loadConfig(configFile(options), process.env);
  const nginx = foundNginx(process.env);
  if (!nginx) progress('turnout: no nginx with njs was found: the line load_module is left out');
  const files = await withScratch(async (folder) => {
    const addressOf = await slotAddresses(config, folder, 'all');
    // A state folder that `up` has yet to make will belong to whoever calls, as this process does.
    const owner = await ownerOf(existsSync(config.state) ? config.state : '/proc/self');
    const { module = '', version = '' } = nginx ?? {};
    const machine = { module, version, user: owner?.user ?? '', folder: gatewayFolder(config.state) };
    return render(config, addressOf, machine);
  });
  const named = Object.entries(files).map(([name, text]) => ({ file: `rendered/${name}`, text }));
  if (options.json) named.forEach(printJson);
  else print(named.map(({ file, text }) => `# === ${file}\n${text}`).join('\n'));
  return DONE;
}
