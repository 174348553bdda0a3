import { expect, test } from 'vitest';
import { load, refusal, top } from './temp.ts';

function two(first: string, second: string): string {
  return `services:
  one: { command: [a], health: /, route: ${first} }
  two: { command: [a], health: /, route: ${second} }
`;
}

test.each([
  ['{}', '{ host: "*", path: / }'],
  ['{ host: a.org, path: /x }', '{ host: A.org, path: /x }'],
])('two services with the same route are refused and both named: %s and %s', async (first, second) => {
  expect(await refusal(two(first, second))).toEqual([
    expect.stringMatching(
      /^turnout.yaml:3:42: found the services "one" and "two" with the same route .*, expected a host or path of its own$/,
    ),
  ]);
});

test('two services may share a host or a path', async () => {
  expect((await load(two('{ path: /a }', '{ path: /b }'))).services).toHaveLength(2);
  expect((await load(two('{ host: a.org }', '{ host: b.org }'))).services).toHaveLength(2);
});

test.each([
  ['gateway: { listen: 9000 }', 'api: { listen: 9000 }', 2],
  ['gateway: { listen: 0.0.0.0:9000 }', 'api: { listen: 127.0.0.1:9000 }', 2],
  ['gateway: { listen: "[::1]:9000" }', 'api: { listen: "[0:0::1]:9000" }', 2],
  ['gateway: { listen: 8090 }', 'runtime: process', 1],
])('two listeners in the same place are refused: %s, %s', async (first, second, line) => {
  expect(await refusal(top(first, second))).toEqual([
    expect.stringMatching(
      new RegExp(`^turnout.yaml:${line}:\\d+: found gateway.listen .* and api.listen .*, expected two that differ$`),
    ),
  ]);
});

test('the same port on two hosts is accepted', async () => {
  const config = await load(top('gateway: { listen: 127.0.0.1:9000 }', 'api: { listen: 127.0.0.2:9000 }'));
  expect(config.api.listen).toEqual({ host: '127.0.0.2', port: 9000 });
});

test.each([
  ['gateway: { listen: 20000 }', 'runtime: process', '1:20: found gateway.listen 127.0.0.1:20000'],
  ['api: { listen: 0.0.0.0:20999 }', 'runtime: process', '1:16: found api.listen 0.0.0.0:20999'],
  ['runtime: process', 'ports: 8085-8100', '2:8: found api.listen 127.0.0.1:8090'],
])('a listener among the ports of the replicas is refused: %s, %s', async (first, second, found) => {
  expect(await refusal(top(first, second))).toEqual([expect.stringMatching(`^turnout.yaml:${found}, which lies in the ports`)]);
});

test('a listener on another host may use a port of the replicas', async () => {
  expect((await load(top('gateway: { listen: 10.0.0.1:20000 }'))).gateway.listen.port).toBe(20_000);
});

test('ports too few for every slot of both colors are refused', async () => {
  expect((await load(top('ports: 20000-20003'))).ports).toEqual({ from: 20_000, to: 20_003 });
  expect(await refusal(top('ports: 20000-20002'))).toEqual([
    expect.stringMatching(/^turnout.yaml:1:8: found the ports 20000-20002, expected at least 4 of them/),
  ]);
});
