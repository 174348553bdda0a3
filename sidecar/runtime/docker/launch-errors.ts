import { TurnoutError } from '../../errors.ts';
import type { ContainerSpec, ReplicaSpec } from '../runtime.ts';
import type { Engine } from './engine.ts';
import { refusal, wordsOf } from './engine.ts';
import { containerName } from './labels.ts';
import { holderOf } from './network.ts';

interface Wanted {
  spec: ReplicaSpec;
  container: ContainerSpec;
}

/** In clear words why a container was not started. By the engine's text, since one cause has many statuses. */
export async function explainStart(engine: Engine, network: string, wanted: Wanted, error: unknown): Promise<unknown> {
  if (refusal(error) === null) return error;
  const words = wordsOf(error);
  const { spec, container } = wanted;
  const name = containerName(network, spec);
  const ip = spec.address.split(':')[0] as string;
  const say = (message: string, hint?: string) =>
    new TurnoutError('runtime-unusable', `${name} cannot be started: ${message}`, {
      cause: error,
      ...(hint !== undefined && { hint }),
    });

  if (/address already in use/i.test(words) && !/port is already allocated|bind/i.test(words)) {
    const holder = await holderOf(engine, network, ip).catch(() => null);
    return say(
      holder === null ? `its address ${ip} is in use` : `its address ${ip} is in use by the container ${holder}`,
      `Remove ${holder ?? 'what has it'}, and give other containers of the network ${network} addresses of docker.subnet's first quarter.`,
    );
  }
  if (/no such image/i.test(words)) {
    return say(`the image ${container.image} is not there any more`, 'Deploy again: it will be fetched.');
  }
  if (/is already in use by container/i.test(words)) {
    return say('a container of that name is there already', `Remove or rename it: docker rm ${name}`);
  }
  if (/network \S+ not found/i.test(words)) return say(`the Docker network ${network} is gone`, '`turnout up` makes it.');
  if (
    /does not belong to any of this network's subnets|only when connecting to networks with user configured subnets/i.test(words)
  ) {
    return say(`its address ${ip} is none of the network ${network}`, 'See docker.subnet, and how the network was made.');
  }
  const program = /exec: "([^"]*)": ([^:]+)/.exec(words);
  if (program && /not found|no such file/i.test(program[2] as string)) {
    return say(`there is no program "${program[1]}" in the image ${container.image}`, 'Mend `command`, or the image.');
  }
  if (program && /permission denied/i.test(program[2] as string)) {
    return say(`"${program[1]}" may not be executed in the image ${container.image}`, 'Make it executable in the image.');
  }
  if (/unable to find user|no matching entries in passwd/i.test(words)) {
    return say(`the image ${container.image} does not know the user ${container.user}`, 'Mend `container.user`.');
  }
  return say(words);
}
