import { symlink, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../sidecar/clock.ts';
import type { FoundContainer, GatewayContainer } from '../../../sidecar/gateway/container.ts';
import { ContainerHost } from '../../../sidecar/gateway/container-host.ts';
import { silentLog } from '../../support/log.ts';
import { eventually } from '../../support/processes.ts';
import { folderWith } from '../config/temp.ts';

type End = { id: string; deliberate: boolean };

/** A container that does what it is told, and remembers it. */
class FakeContainer implements GatewayContainer {
  readonly told: string[] = [];
  listener: (end: End) => void = () => undefined;
  checks = { code: 0, output: '' };
  shutting = 0;
  failingStarts = 0;
  onSignal: () => void = () => undefined;

  constructor(public found: FoundContainer | null) {}

  async find() {
    return this.found && { ...this.found };
  }

  async exec(_id: string, words: string[]) {
    this.told.push(words.join(' '));
    if (words.includes('kill -HUP 1')) this.onSignal();
    return this.checks;
  }

  async kill() {
    this.told.push('kill');
    this.end(137, false);
  }

  async start() {
    this.told.push('start');
    if (this.failingStarts-- > 0) throw new Error('not now');
    this.become('running');
  }

  async titles() {
    return ['nginx: master process', ...(this.shutting-- > 0 ? ['nginx: worker process is shutting down'] : [])];
  }

  onEnd(listener: (end: End) => void) {
    this.listener = listener;
    return () => {
      this.listener = () => undefined;
    };
  }

  become(state: FoundContainer['state'], exitCode = 0): void {
    this.found = { ...(this.found as FoundContainer), state, exitCode };
  }

  end(exitCode: number, deliberate: boolean): void {
    this.become('exited', exitCode);
    this.listener({ id: 'abc', deliberate });
  }
}

const RUNNING: FoundContainer = { id: 'abc', name: 'turnout-gateway-1', state: 'running', exitCode: 0 };

let folder: string;
let server: Server | null = null;
let host: ContainerHost | null = null;

beforeEach(async () => {
  folder = await folderWith({});
});
afterEach(async () => {
  await host?.stop();
  server?.closeAllConnections();
  server?.close();
  server = null;
});

function hostOf(container: FakeContainer): ContainerHost {
  host = new ContainerHost(folder, container, systemClock, silentLog());
  return host;
}

/** The control socket; answers with this configuration, or hangs when it is null. */
async function answer(configuration: () => string | null): Promise<void> {
  const made = createServer((_request, response) => {
    const name = configuration();
    if (name !== null) response.end(JSON.stringify({ configuration: name }));
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(join(folder, 'control.sock'), resolve));
}

describe('a configuration', () => {
  test('is tested inside the gateway, and what nginx says is told', async () => {
    const container = new FakeContainer(RUNNING);
    container.checks = { code: 1, output: 'nginx: [emerg] unknown directive "x"\n' };
    const refused = hostOf(container).test('/conf-new');
    await expect(refused).rejects.toMatchObject({ code: 'nginx-refused' });
    await expect(refused).rejects.toThrow(/unknown directive "x"$/);
    expect(container.told).toEqual([`nginx -t -q -p ${folder}/ -e stderr -c /conf-new/nginx.conf`]);
  });

  test.each([null, { ...RUNNING, state: 'created' as const }])('is taken untested while no gateway runs: %j', async (found) => {
    const container = new FakeContainer(found);
    await hostOf(container).test('/conf-new');
    expect(container.told).toEqual([]);
  });

  test('is in force once a worker names it and the old workers are gone', async () => {
    await symlink('conf-new', join(folder, 'conf'));
    let present = 'conf-old';
    await answer(() => present);
    const container = new FakeContainer(RUNNING);
    container.onSignal = () => setTimeout(() => (present = 'conf-new'), 200);
    container.shutting = 3;
    await hostOf(container).reload(5000);
    expect(container.told).toEqual(['sh -c kill -HUP 1']);
    expect([present, container.shutting < 0]).toEqual(['conf-new', true]);
  });

  test('that no worker takes within 5 s is an error that names the container', async () => {
    await symlink('conf-new', join(folder, 'conf'));
    await answer(() => 'conf-old');
    const refused = hostOf(new FakeContainer(RUNNING)).reload(0);
    await expect(refused).rejects.toMatchObject({ code: 'gateway-unusable', hint: 'See `docker logs turnout-gateway-1`.' });
  });

  test('that changed at the start is told to the gateway', async () => {
    const container = new FakeContainer(RUNNING);
    await hostOf(container).start(true);
    expect(container.told).toEqual(['sh -c kill -HUP 1']);
  });
});

describe('a gateway', () => {
  test('that was killed is started again, as often as it takes', async () => {
    const container = new FakeContainer(RUNNING);
    container.failingStarts = 1;
    await hostOf(container).start(false);
    container.end(137, false);
    await eventually('it runs again', () => container.found?.state === 'running');
    expect(container.told).toEqual(['start', 'start']);
  });

  test('that was stopped stays stopped', async () => {
    const container = new FakeContainer(RUNNING);
    await hostOf(container).start(false);
    container.end(0, true);
    // Whatever it would do is done in this turn: the fake answers at once.
    await new Promise(setImmediate);
    expect(container.told).toEqual([]);
  });

  test.each([
    [137, ['start']],
    [0, []],
  ])('that ended with %i while nobody looked: %j', async (exitCode, told) => {
    const container = new FakeContainer({ ...RUNNING, state: 'exited', exitCode });
    await hostOf(container).start(false);
    expect(container.told).toEqual(told);
  });

  test('that its restart policy brings back is left alone', async () => {
    const container = new FakeContainer(RUNNING);
    await hostOf(container).start(false);
    container.become('restarting', 1);
    container.listener({ id: 'abc', deliberate: false });
    // Whatever it would do is done in this turn: the fake answers at once.
    await new Promise(setImmediate);
    expect(container.told).toEqual([]);
  });

  test('that accepts and answers nothing is killed and comes back', async () => {
    await answer(() => null);
    const container = new FakeContainer(RUNNING);
    await hostOf(container).start(false);
    await eventually('it was killed and started', () => container.told.join() === 'kill,start', 10_000);
    server?.closeAllConnections();
    await unlink(join(folder, 'control.sock'));
  });
});

describe('at the end', () => {
  test.each([
    ['stopped', { ...RUNNING, state: 'exited' as const }, false],
    ['removed', null, true],
  ])('a gateway that is %s: nobody is served any more is %j', async (_what, left, gone) => {
    const container = new FakeContainer(RUNNING);
    const made = hostOf(container);
    await made.start(false);
    container.found = left;
    expect(await made.stop()).toBe(gone);
  });

  test('an engine that is away proves nothing, and keeps nobody from ending', async () => {
    const container = new FakeContainer(RUNNING);
    const made = hostOf(container);
    await made.start(false);
    container.find = () => Promise.reject(new Error('connect ENOENT'));
    expect(await made.stop()).toBe(false);
  });

  test('one that never was proves nothing', async () => {
    const made = hostOf(new FakeContainer(null));
    await made.start(false);
    expect(await made.stop()).toBe(false);
  });
});
