import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';
import type { AddressOf } from '../gateway/render.ts';
import { Slots } from '../store/slots.ts';

/**
 * The addresses that slots have, and those that `up` would give to new ones, by the same rules but written to the folder
 * `scratch` alone. `known: 'if-readable'` does without slots.json where another user's may not be read.
 */
export async function slotAddresses(config: Config, scratch: string, known: 'all' | 'if-readable'): Promise<AddressOf> {
  const file = join(config.state, 'slots.json');
  try {
    await writeFile(join(scratch, 'slots.json'), await readFile(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const denied = code === 'EACCES' && known === 'if-readable';
    if (code !== 'ENOENT' && !denied)
      throw new TurnoutError('disk-unusable', `${file} cannot be read: ${message}`, { cause: error });
  }
  const slots = await Slots.allocate({ ...config, state: scratch }).catch((thrown) => {
    const error = TurnoutError.from(thrown);
    throw new TurnoutError(error.code, error.message.replaceAll(scratch, config.state), { hint: error.hint, cause: thrown });
  });
  return (...slot) => slots.address(...slot);
}
