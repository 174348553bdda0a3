import { z } from 'zod';
import { EXPECTED_ADDRESS, parseAddress } from './address.ts';
import { orNone } from './judge.ts';
import { strict } from './keys.ts';
import { cores, memory } from './limits.ts';
import { parseSubnet } from './subnet.ts';
import { integer, matching, plainText } from './values.ts';

/** What `runtime: docker` needs: of the engine, and of each service. */

const subnet = z.unknown().transform((value, context) => {
  const parsed = typeof value === 'string' ? parseSubnet(value) : undefined;
  if (parsed) return parsed;
  const message = 'an IPv4 network of 16 to 28 bits such as 172.31.240.0/22, without bits behind the prefix';
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** `tcp://` may stand before it, as in DOCKER_HOST. */
const engineAddress = z.unknown().transform((value, context) => {
  const parsed = typeof value === 'string' ? parseAddress(value.replace(/^tcp:\/\//, '')) : undefined;
  if (parsed) return parsed;
  context.addIssue({ code: 'custom', message: `none or ${EXPECTED_ADDRESS}` });
  return z.NEVER;
});

const registry = matching(/^[a-z0-9.-]+(:\d{1,5})?$/i, 'a registry such as registry.example or registry.example:5000');

/** A path is short for the Docker client's own config.json. */
const registryAuth = z
  .unknown()
  .transform((value) => (typeof value === 'string' ? { file: value } : { registries: value }))
  .pipe(
    z.union(
      [
        z.strictObject({ file: plainText('the path of a config.json') }),
        z.strictObject({
          registries: z.record(
            registry,
            strict({ username: plainText('a user name'), passwordFile: plainText('the path of a file with the password') }),
          ),
        }),
      ],
      {
        error:
          'none, the path of a Docker config.json, or a map such as { registry.example: { username: ci, passwordFile: ci.password } }',
      },
    ),
  );

const cron = matching(/^(\S+ ){4}\S+$/, 'none or the five fields of cron such as "17 4 * * *"');

export const dockerSchema = strict({
  socket: plainText('the path of a unix socket').default('/var/run/docker.sock'),
  host: orNone(engineAddress).default(null),
  tls: orNone(plainText('a folder with ca.pem, cert.pem and key.pem')).default(null),
  network: matching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/, 'the name of a Docker network such as turnout').default('turnout'),
  subnet: subnet.default({ address: '172.31.240.0', bits: 22 }),
  registryAuth: orNone(registryAuth).default(null),
  prune: orNone(cron).default('17 4 * * *'),
}).prefault({});

/** `{release}` may stand anywhere behind the first letter. */
export const IMAGE = /^[a-z0-9][a-zA-Z0-9._:/{}@-]{0,254}$/;
export const IMAGE_EXAMPLE = 'an image such as registry.example/backend:{release}';

const absolute = (what: string) => matching(/^\/[^\p{Cc}:]*$/u, `${what}: an absolute path such as /tmp`);

/** Paths in the container, so that a relative one is a mistake. */
const volume = matching(
  /^[^\p{Cc}:]+:\/[^\p{Cc}:]*(:ro)?$/u,
  'a volume such as uploads:/data, or a folder of the host such as /srv/uploads:/data; :ro at the end forbids writing',
);

export const imageKeys = {
  // Without a default here: which of the two is required depends on `runtime`.
  image: matching(IMAGE, IMAGE_EXAMPLE).optional(),
  pull: z.enum(['always', 'missing', 'never'], { error: 'always, missing or never' }).default('missing'),
  port: integer(1, 65_535).default(8000),
  secrets: z
    .record(matching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, ''), plainText('the path of a file'), {
      error: (issue) =>
        issue.code === 'invalid_key' ? 'names of letters, digits and _ . -' : 'a map of names and the paths of files',
    })
    .default({}),
  resources: strict({ cpus: orNone(cores()).default(null), memory: orNone(memory()).default(null) }).prefault({}),
  container: strict({
    user: orNone(matching(/^[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?$/, 'a user such as app or 1000:1000')).default(null),
    readOnly: z.boolean({ error: 'true or false' }).default(false),
    capDrop: z.array(matching(/^[A-Z_]+$/, 'a capability such as ALL or NET_RAW'), { error: 'a list such as [ALL]' }).default([]),
    tmpfs: z.array(absolute('a folder in memory'), { error: 'a list of folders such as [/tmp]' }).default([]),
    volumes: z.array(volume, { error: 'a list such as [uploads:/data]' }).default([]),
    init: z.boolean({ error: 'true or false' }).default(true),
    log: strict({ maxSize: memory().default(10 * 1024 ** 2), maxFiles: integer(1, 100).default(3) }).prefault({}),
  }).prefault({}),
};
