import { defineConfig } from 'vitest/config';

const long = process.env.TURNOUT_LONG === '1';
// More stories for the model where there is time for them.
if (long) process.env.TURNOUT_MODEL_RUNS ??= '2000';

/** Tests of whole gateways run one after another: each wants both cores, and a figure taken beside another run is none. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: long ? ['test/model/**/*.test.ts'] : ['test/{unit,contract,model}/**/*.test.ts'],
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'gateway',
          include: long ? ['test/long/**/*.test.ts'] : ['test/gateway/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
