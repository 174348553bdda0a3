import { FakeRuntime } from '../../sidecar/runtime/fake.ts';
import { describeRuntime } from './runtime.ts';
import { makeSpec, ProcessBench } from './runtime-bench.ts';

describeRuntime('FakeRuntime', async () => {
  const runtime = new FakeRuntime();
  return {
    runtime,
    spec: makeSpec,
    startShort: async (spec, lines, code) => {
      const replica = await runtime.start(spec);
      runtime.output(replica.id, lines);
      runtime.crash(replica.id, { code, signal: null });
      return replica;
    },
    startSpeaker: (spec) => runtime.start(spec),
    speak: async (replica, lines) => runtime.output(replica.id, lines),
    startRefused: async (spec) => {
      runtime.failNextStart();
      return runtime.start(spec);
    },
    close: async () => {},
  };
});

describeRuntime('ProcessRuntime', () => ProcessBench.make());
