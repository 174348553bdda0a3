import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertValgrind, instructionsPerRequest, quiet } from './callgrind.ts';
import { GatewayFolder, type GatewayOptions } from './gateway-folder.ts';
import { Backend } from './servers.ts';

const FILE = join(import.meta.dirname, 'budget.json');

/** Instructions a request, as `npm run bench:budget` has last written them with TURNOUT_BUDGET=write, and by which versions. */
interface Budget {
  versions: { nginx: string; njs: string };
  /** proxy_pass to a fixed upstream, in the same configuration. */
  plain: number;
  /** A js_set whose module is one function that returns that upstream's name. */
  emptyJsSet: number;
  turnout: number;
  /** The service in the middle of 1,602 upstream blocks. */
  manyUpstreams: number;
}

/** What pick() may cost over an empty js_set. */
const PICK = 16_500;
/** Of the kept figures. Heap and C library move them by some hundred instructions; what pick() itself may cost has the limit above. */
const TOLERANCE = 0.02;

const kept = JSON.parse(readFileSync(FILE, 'utf8')) as Budget;
const { nginx, njs } = JSON.parse(process.env.TURNOUT_NGINX_VERSIONS ?? '{}') as Budget['versions'];
const measured: Budget = { versions: { nginx, njs }, plain: 0, emptyJsSet: 0, turnout: 0, manyUpstreams: 0 };
let backend: Backend;

beforeAll(async () => {
  await assertValgrind();
  backend = await Backend.start();
  measured.plain = await count({}, (gateway) =>
    gateway.edit('rendered/servers.conf', (text) =>
      text.replace(/js_import turnout_pick.*\n.*js_set.*\n/, '').replace('http://$turnout_upstream', 'http://backend.blue.1'),
    ),
  );
  measured.emptyJsSet = await count({}, (gateway) =>
    gateway.edit('njs/pick/backend.js', () => "function pick(r) { return 'backend.blue.1'; }\nexport { pick as default };\n"),
  );
  measured.turnout = await count({});
  measured.manyUpstreams = await count({ services: 267 });
  console.log(`instructions a request: ${JSON.stringify(measured)}`);
  if (process.env.TURNOUT_BUDGET === 'write') writeFileSync(FILE, `${JSON.stringify(measured, null, 2)}\n`);
}, 600_000);

afterAll(() => backend?.stop());

/** Of the service in the middle. */
async function count(options: Omit<GatewayOptions, 'backend'>, change: (gateway: GatewayFolder) => unknown = () => {}) {
  const gateway = await GatewayFolder.install({ ...options, backend: backend.address });
  try {
    await quiet(gateway);
    await change(gateway);
    const service = gateway.services[Math.floor(gateway.services.length / 2)] as string;
    return await instructionsPerRequest(gateway, gateway.host(service));
  } finally {
    await gateway.remove();
  }
}

test(`deciding and counting take at most ${PICK} instructions over an empty js_set`, () => {
  expect(measured.turnout - measured.emptyJsSet).toBeLessThanOrEqual(PICK);
  // A gateway that answered without our code would be cheap, too.
  expect(measured.turnout).toBeGreaterThan(measured.emptyJsSet);
  expect(measured.emptyJsSet).toBeGreaterThan(measured.plain);
});

test.runIf(kept.versions.nginx === nginx && kept.versions.njs === njs)(
  'no figure is another than the one kept in budget.json; a better one is written by TURNOUT_BUDGET=write',
  () => {
    for (const name of ['plain', 'emptyJsSet', 'turnout', 'manyUpstreams'] as const) {
      expect.soft(measured[name], name).toBeGreaterThan(kept[name] * (1 - TOLERANCE));
      expect.soft(measured[name], name).toBeLessThan(kept[name] * (1 + TOLERANCE));
    }
  },
);
