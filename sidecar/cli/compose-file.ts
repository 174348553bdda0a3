import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LineCounter } from 'yaml';
import type { Config, Subnet } from '../config/config.ts';
import { Problems } from '../config/problems.ts';
import { type Path, quote, Source } from '../config/source.ts';
import { automaticPart, contains, formatSubnet, parseSubnet } from '../config/subnet.ts';
import { expand } from '../config/variables.ts';

const NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];

/**
 * What stands in both files must be the same: the network and its addresses. Looks for the compose file that names
 * `docker.network`, from turnout.yaml's folder upwards. Answers its path, or null where there is none; rejects with
 * `config-invalid` and a line for each difference.
 */
export async function compareWithCompose(config: Config, env: NodeJS.ProcessEnv): Promise<string | null> {
  for (let folder = dirname(config.file); ; folder = dirname(folder)) {
    for (const name of NAMES) {
      const file = join(folder, name);
      const text = await readFile(file, 'utf8').catch(() => null);
      if (text !== null && compare(file, text, config, env)) return file;
    }
    if (folder === dirname(folder)) return null;
  }
}

/** False: this file is about another network. */
function compare(file: string, text: string, { docker, file: own }: Config, env: NodeJS.ProcessEnv): boolean {
  const lines = new LineCounter();
  const problems = new Problems(file, lines);
  const source = new Source(text, lines, problems);
  const value = (path: Path) => {
    const found = source.get(path);
    return typeof found === 'string' ? expand(found, env).text : undefined;
  };
  const networks = source.get(['networks']);
  const keys = typeof networks === 'object' && networks !== null ? Object.keys(networks) : [];
  const key =
    keys.find((one) => value(['networks', one, 'name']) === docker.network) ?? keys.find((one) => one === docker.network);
  if (key === undefined) return false;

  const base = ['networks', key];
  const complain = (path: Path, found: string, expected: string) =>
    problems.add(source.place(path).offset, `found ${found}, expected ${expected}`);
  const name = value([...base, 'name']);
  if (name !== docker.network) {
    const found =
      name === undefined
        ? 'a network without a name, which compose puts the name of the project before'
        : `the name ${quote(name)}`;
    complain(base, found, `name: ${docker.network}, as docker.network in ${own} says`);
  }
  const ipam = [...base, 'ipam', 'config', 0];
  const wanted = formatSubnet(docker.subnet);
  const subnet = value([...ipam, 'subnet']);
  if (subnet !== wanted) {
    const found = subnet === undefined ? `no subnet for the network ${docker.network}` : `the subnet ${subnet}`;
    complain([...ipam, 'subnet'], found, `${wanted}, as docker.subnet in ${own} says`);
  }
  const automatic = automaticPart(docker.subnet);
  const range = value([...ipam, 'ip_range']);
  if (range === undefined || !lies(range, automatic)) {
    const found = range === undefined ? 'no ip_range' : `the ip_range ${range}`;
    const why = 'behind it lie the addresses of the replicas, and Docker must not give them to others';
    complain([...ipam, 'ip_range'], found, `one within ${formatSubnet(automatic)}: ${why}`);
  }
  const gateway = value([...ipam, 'gateway']);
  if (gateway === undefined || !contains(automatic, gateway)) {
    const found = gateway === undefined ? 'no gateway' : `the gateway ${gateway}`;
    complain([...ipam, 'gateway'], found, `one within ${formatSubnet(automatic)}: by itself Docker takes it from the ip_range`);
  }
  problems.throwIfAny();
  return true;
}

function lies(range: string, within: Subnet): boolean {
  const [address = '', bits = ''] = range.split('/');
  const parsed = parseSubnet(`${address}/${Math.min(Number(bits), 28)}`) ?? null;
  return parsed !== null && Number(bits) >= within.bits && contains(within, address);
}
