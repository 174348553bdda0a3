import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { COLORS, type Color } from '../../njs/route.ts';
import type { Config } from '../config/config.ts';
import { addressAt, automaticPart, contains, formatSubnet, sizeOf } from '../config/subnet.ts';
import { TurnoutError } from '../errors.ts';

/** A port of the loopback address, or a container's IPv4 address. */
type Place = number | string;
type Places = Record<string, Record<Color, Record<string, Place>>>;

const slots = z.record(z.string(), z.union([z.int(), z.ipv4()]));
const SHAPE = z.record(z.string(), z.object({ blue: slots, green: slots }));

/** Where slots can be, by the runtime that the configuration names. */
interface Supply {
  /** May a slot stay where it was? Another runtime or subnet takes every place away. */
  takes(place: Place): boolean;
  /** The free places in their order; ends when there is none left. */
  free(taken: ReadonlySet<Place>): AsyncGenerator<Place>;
  exhausted(service: string): TurnoutError;
}

/** The fixed addresses of all slots: allocated once, kept in `<state>/slots.json`, never moved while the service exists. */
export class Slots {
  private constructor(
    private readonly places: Places,
    /** Of the application, by service. */
    private readonly ports: Record<string, number>,
  ) {}

  /** Reads what was allocated and allocates what is missing. */
  static async allocate(config: Config): Promise<Slots> {
    const file = join(config.state, 'slots.json');
    const known = await readPlaces(file);
    const supply = config.runtime === 'docker' ? addresses(config) : loopbackPorts(config);
    const places: Places = {};
    for (const { name } of config.services) {
      const before = Object.hasOwn(known, name) ? (known[name] as Places[string]) : { blue: {}, green: {} };
      places[name] = { blue: staying(before.blue, supply), green: staying(before.green, supply) };
    }
    const taken = new Set(Object.values(places).flatMap((colors) => COLORS.flatMap((color) => Object.values(colors[color]))));
    const free = supply.free(taken);
    for (const service of config.services) {
      for (const color of COLORS) {
        const ofColor = (places[service.name] as Places[string])[color];
        for (let slot = 1; slot <= service.maxReplicas; slot++) {
          if (ofColor[slot] !== undefined) continue;
          const { value, done } = await free.next();
          if (done) throw supply.exhausted(service.name);
          ofColor[slot] = value;
        }
      }
    }
    await writeFileAtomic(file, `${JSON.stringify(places, null, 2)}\n`, { mode: 0o600 });
    return new Slots(places, Object.fromEntries(config.services.map(({ name, port }) => [name, port])));
  }

  /** `host:port`; throws for a slot that no service has. */
  address(service: string, color: Color, slot: number): string {
    const place = this.places[service]?.[color][slot];
    if (place === undefined) throw new TurnoutError('internal', `slot ${slot} of ${color} of ${service} was never allocated`);
    return typeof place === 'number' ? `127.0.0.1:${place}` : `${place}:${this.ports[service]}`;
  }
}

function staying(places: Record<string, Place>, supply: Supply): Record<string, Place> {
  return Object.fromEntries(Object.entries(places).filter(([, place]) => supply.takes(place)));
}

/** Skips ports that somebody listens on. */
function loopbackPorts({ ports, file }: Config): Supply {
  return {
    takes: (place) => typeof place === 'number',
    async *free(taken) {
      for (let port = ports.from; port <= ports.to; port++) if (!taken.has(port) && (await isFree(port))) yield port;
    },
    exhausted: (service) =>
      new TurnoutError('config-invalid', `${file}: ports ${ports.from}-${ports.to} has no free port left for ${service}`, {
        hint: 'Give `ports` a wider range below 32768.',
      }),
  };
}

/** Behind the part that Docker hands out by itself, up to the one before the broadcast address. */
function addresses({ docker: { subnet }, file }: Config): Supply {
  return {
    takes: (place) => typeof place === 'string' && contains(subnet, place),
    async *free(taken) {
      for (let offset = sizeOf(automaticPart(subnet)); offset < sizeOf(subnet) - 1; offset++) {
        const address = addressAt(subnet, offset);
        if (!taken.has(address)) yield address;
      }
    },
    exhausted: (service) =>
      new TurnoutError('config-invalid', `${file}: the subnet ${formatSubnet(subnet)} has no address left for ${service}`, {
        hint: 'Give `docker.subnet` a larger network.',
      }),
  };
}

async function readPlaces(file: string): Promise<Places> {
  try {
    return SHAPE.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new TurnoutError('disk-unusable', `${file} cannot be read: ${(error as Error).message}`, {
      hint: 'Replicas listen where it says: restore it, or stop everything and remove the state folder.',
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
