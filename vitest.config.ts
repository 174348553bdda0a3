import { defineConfig } from 'vitest/config';

const long = process.env.TURNOUT_LONG === '1';
const bench = process.env.TURNOUT_BENCH === '1';
// More stories for the model where there is time for them.
if (long) process.env.TURNOUT_MODEL_RUNS ??= '2000';

/** Measurements: `npm run bench` takes all of them, about an hour; nothing else may run beside them. */
const measurements = {
  test: {
    name: 'bench',
    include: ['test/bench/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    disableConsoleIntercept: true,
  },
};

/** Tests of whole gateways run one after another: each wants both cores, and a figure taken beside another run is none. */
const alone = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 };

/** Of the tests with containers, `npm test` takes the one that every runtime has to pass; build/test.js leaves them out where no engine is. */
const docker = {
  test: {
    ...alone,
    name: 'docker',
    include: long ? ['test/docker/**/*.test.ts'] : ['test/docker/contract.test.ts'],
    exclude: long ? ['test/docker/contract.test.ts'] : [],
    sequence: { groupOrder: 2 },
  },
};

export default defineConfig({
  test: {
    projects: bench
      ? [measurements]
      : [
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
              ...alone,
              name: 'gateway',
              include: long ? ['test/long/**/*.test.ts', 'test/gateway/flip-by-hand.test.ts'] : ['test/gateway/**/*.test.ts'],
              sequence: { groupOrder: 1 },
            },
          },
          ...(process.env.TURNOUT_ENGINE === 'missing' ? [] : [docker]),
        ],
  },
});
