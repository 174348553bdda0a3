import { z } from 'zod';
import { bakeSchema } from './bake.ts';
import { words } from './command.ts';
import { dockerSchema, imageKeys } from './docker.ts';
import { healthSchema } from './health.ts';
import { hooksSchema } from './hooks.ts';
import { strict } from './keys.ts';
import { smokeSchema, warmSchema } from './requests.ts';
import { address, duration, integer, matching, only, plainText, portRange, RELEASE, scalar, signal } from './values.ts';
import { webhooksSchema } from './webhooks.ts';

/** What turnout.yaml may hold. A key is added here when it works, and until then it stands in one of the LATER lists. */

const LATER_GATEWAY = ['tls', 'trustedProxies'];
const LATER_SERVICE = 'scaling strategy sticky preview pin pause maintenance buffering'.split(' ');

const NOT_YET = 'does not work yet in this version';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** Goes into nginx's `server_name` as it is. */
const host = matching(
  new RegExp(`^(?=.{1,253}$)(?:\\*|(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*)$`),
  '"*" or a host name such as example.org or "*.example.org"',
).transform((name) => name.toLowerCase());

/** Goes into nginx's `location` as it is. nginx compares it with a decoded path without `//`, `.` and `..`: those never match. */
const routePath = matching(
  /^(?!.*\/\/)(?!.*\/\.{1,2}(?:\/|$))\/[A-Za-z0-9._~!&+,=:@/-]*$/,
  'a path that starts with / and has only letters, digits and . _ ~ ! & + , = : @ / - (no //, no . or .. as a part)',
);

export const routeSchema = strict({ host: host.default('*'), path: routePath.default('/') });

/** Seconds are the finest that nginx's `fail_timeout` knows. */
const wholeSeconds = duration(1).refine((ms) => ms % 1000 === 0, { error: 'whole seconds such as 2s' });

export const serviceSchema = strict(
  {
    route: routeSchema.prefault({}),
    // Without a default here: whether it is required depends on `runtime`.
    command: words('[node, server.js]').optional(),
    cwd: plainText('a folder').default('.'),
    ...imageKeys,
    release: matching(RELEASE, 'a label of 1 to 128 letters, digits and _ . + -, such as v1 (a number needs quotes)').default(
      'v1',
    ),
    replicas: integer(1, 64).default(1),
    // Without a default here: it depends on `replicas`.
    maxReplicas: integer(1, 64).optional(),
    env: z.record(z.string(), scalar('text, a number, true or false'), { error: 'a map of names and values' }).default({}),
    envFile: z
      .preprocess(
        (value) => (typeof value === 'string' ? [value] : value),
        z.array(plainText('the path of a file'), { error: 'the path of a file or a list of paths' }),
      )
      .default([]),
    health: healthSchema,
    exposeHealth: z.boolean({ error: 'true or false' }).default(false),
    failover: z.boolean({ error: 'true or false' }).default(true),
    warm: warmSchema,
    smoke: smokeSchema,
    promote: z.enum(['auto', 'manual'], { error: 'auto or manual' }).default('auto'),
    promoteTimeout: duration(1).default(3_600_000),
    bake: bakeSchema,
    hooks: hooksSchema,
    drain: strict({ timeout: duration().default(30_000) }).prefault({}),
    stop: strict({ signal: signal().default('SIGTERM'), timeout: duration().default(10_000) }).prefault({}),
    keep: duration().default(600_000),
    keepalive: strict({ connections: integer(1, 10_000).default(32), idle: duration(1).default(4000) }).prefault({}),
    connectTimeout: duration(1).default(1000),
    passive: strict({ maxFails: integer(0, 1000).default(3), failTimeout: wholeSeconds.default(2000) }).prefault({}),
  },
  LATER_SERVICE,
);

const workers = z.custom<'auto' | number>((value) => value === 'auto' || integer(1, 64).safeParse(value).success, {
  error: 'auto or a whole number from 1 to 64',
});

export const configSchema = strict({
  state: plainText('a folder').default('.turnout'),
  runtime: z.enum(['process', 'docker'], { error: 'process or docker' }).default('process'),
  docker: dockerSchema,
  ports: portRange().default({ from: 20_000, to: 20_999 }),
  gateway: strict(
    {
      listen: address().default({ host: '127.0.0.1', port: 8080 }),
      control: only('unix', `a TCP address ${NOT_YET}`).default('unix'),
      managed: z.boolean({ error: 'true or false' }).default(true),
      workers: workers.default('auto'),
    },
    LATER_GATEWAY,
  ).prefault({}),
  api: strict({ listen: address().default({ host: '127.0.0.1', port: 8090 }) }).prefault({}),
  webhooks: webhooksSchema,
  services: z
    .record(z.string(), serviceSchema, { error: 'a map of at least one service' })
    .refine((services) => Object.keys(services).length > 0, { error: 'a map of at least one service' }),
});
