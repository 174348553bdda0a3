import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { COLORS, type Color } from '../../njs/route.ts';
import type { Config } from '../config/config.ts';
import { TurnoutError } from '../errors.ts';

type Ports = Record<string, Record<Color, Record<string, number>>>;

const slots = z.record(z.string(), z.int());
const SHAPE = z.record(z.string(), z.object({ blue: slots, green: slots }));

/** The fixed addresses of all slots: allocated once, kept in `<state>/slots.json`, never moved while the service exists. */
export class Slots {
  private readonly ports: Ports;

  private constructor(ports: Ports) {
    this.ports = ports;
  }

  /** Reads what was allocated and allocates what is missing, skipping ports that somebody listens on. */
  static async allocate(config: Config): Promise<Slots> {
    const file = join(config.state, 'slots.json');
    const known = await readPorts(file);
    const ports: Ports = {};
    for (const { name } of config.services)
      ports[name] = Object.hasOwn(known, name) ? (known[name] as Ports[string]) : { blue: {}, green: {} };
    const taken = new Set(Object.values(ports).flatMap((colors) => COLORS.flatMap((color) => Object.values(colors[color]))));
    let next = config.ports.from;
    for (const service of config.services) {
      for (const color of COLORS) {
        const places = (ports[service.name] as Record<Color, Record<string, number>>)[color];
        for (let slot = 1; slot <= service.maxReplicas; slot++) {
          if (places[slot] !== undefined) continue;
          while (taken.has(next) || (next <= config.ports.to && !(await isFree(next)))) next++;
          if (next > config.ports.to) throw exhausted(config, service.name);
          places[slot] = next;
          taken.add(next);
        }
      }
    }
    await writeFileAtomic(file, `${JSON.stringify(ports, null, 2)}\n`, { mode: 0o600 });
    return new Slots(ports);
  }

  /** `127.0.0.1:port`; throws for a slot that no service has. */
  address(service: string, color: Color, slot: number): string {
    const port = this.ports[service]?.[color][slot];
    if (port === undefined) throw new TurnoutError('internal', `slot ${slot} of ${color} of ${service} was never allocated`);
    return `127.0.0.1:${port}`;
  }
}

async function readPorts(file: string): Promise<Ports> {
  try {
    return SHAPE.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new TurnoutError('disk-unusable', `${file} cannot be read: ${(error as Error).message}`, {
      hint: 'Replicas listen on the ports it names: restore it, or stop everything and remove the state folder.',
      cause: error,
    });
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function exhausted(config: Config, service: string): TurnoutError {
  const { from, to } = config.ports;
  return new TurnoutError('config-invalid', `${config.file}: ports ${from}-${to} has no free port left for ${service}`, {
    hint: 'Give `ports` a wider range below 32768.',
  });
}
