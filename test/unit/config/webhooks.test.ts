import { expect, test } from 'vitest';
import { redact } from '../../../sidecar/config/redact.ts';
import { load, refusal, service, top } from './temp.ts';

test('a webhook is unsigned JSON unless told otherwise', async () => {
  expect((await load(top('webhooks: [{ url: "http://127.0.0.1:9000/x?y=1" }]'))).webhooks).toEqual([
    { url: 'http://127.0.0.1:9000/x?y=1', format: 'json', secret: null },
  ]);
});

test('address and secret may come from the environment, and what came from there is hidden', async () => {
  const config = await load(
    top(
      'webhooks:',
      '  - { url: "https://${HOST:-example.org}/${TOKEN}", format: slack }',
      '  - { url: "${URL}", secret: "${KEY}" }',
    ),
    { TOKEN: 'abc-token', URL: 'https://example.com/whole', KEY: 'signing-key' },
  );
  expect(config.webhooks).toEqual([
    { url: 'https://example.org/abc-token', format: 'slack', secret: null },
    { url: 'https://example.com/whole', format: 'json', secret: 'signing-key' },
  ]);
  expect(config.webhooks.map(({ url, secret }) => redact(`${url} ${secret}`, config.secrets))).toEqual([
    'https://example.org/${TOKEN} null',
    '${URL} ${KEY}',
  ]);
});

test('a secret of a service that a webhook has too is kept once', async () => {
  const config = await load(
    top('webhooks: [{ url: "http://h/", secret: "${KEY}" }]').replace(service(), service('env: { A: "${KEY}" }')),
    {
      KEY: 'signing-key',
    },
  );
  expect(config.secrets).toEqual([{ name: 'KEY', value: 'signing-key' }]);
});

test.each(['s3cr3t-key', '"${UNSET:-s3cr3t-key}"', '12345678', '"$${s3cr3t}"', '""'])(
  'the secret %s, which stands in the file, is refused and not shown',
  async (secret) => {
    const lines = await refusal(top('webhooks:', '  - url: http://h/', `    secret: ${secret}`));
    expect(lines).toEqual([
      'turnout.yaml:3:13: found a secret in plain text (not shown), expected a variable from the environment such as ${WEBHOOK_SECRET}',
    ]);
  },
);

test.each([
  ['url: "${URL}"', 'ftp://s3cr3t.org/'],
  ['url: "${URL}"', 'https://'],
  ['url: "${URL}"', 'https://s3cr3t.org/a\n'],
  ['url: "${URL}"', 's3cr3t.org'],
  ['url: "${URL}"', ''],
  ['url: htps://hooks.example.org/s3cr3t', ''],
])('the address in %s with %j is refused and not shown', async (url, value) => {
  const lines = await refusal(top('webhooks:', `  - ${url}`), { URL: value });
  expect(lines).toEqual([
    expect.stringMatching(
      /^turnout.yaml:2:10: found an address that cannot be called \(not shown.*\), expected an http:\/\/ or https:\/\//,
    ),
  ]);
  expect(lines.join()).not.toContain('s3cr3t');
});

test.each([
  ['url: "${NOPE}"', '2:10: the variable NOPE is not set, expected it in the environment'],
  ['{ url: http://h/, secret: "${NOPE:?make one}" }', '2:31: the variable NOPE is not set: make one, expected'],
  ['{ url: http://h/, secret: "${EMPTY}" }', '2:31: found a secret that is empty, expected a variable'],
  ['{ url: http://h/, secret: "${EMPTY" }', '2:31: found "\\${EMPTY", expected \\${VAR}'],
  ['{ url: http://h/, secret: [a] }', '2:31: found a list, expected a variable from the environment'],
  ['{ url: http://h/, secret: }', '2:31: found nothing, expected a variable from the environment'],
  ['{ url: 5 }', '2:12: found 5, expected an http:// or https:// address'],
  ['format: json', '2:5: the key "url" is missing, expected an http:// or https:// address'],
  ['{ url: http://h/, format: xml }', '2:31: found "xml", expected json or slack$'],
  [
    '{ url: http://h/, format: "${FORMAT}" }',
    '2:31: found .*, expected text without \\${: variables work only in the values of env and',
  ],
  ['{ url: http://h/, events: [live] }', '2:23: unknown key "events", expected one of url, format, secret$'],
  ['http://h/', '2:5: found "http://h/", expected a map with the keys url, format, secret$'],
])('the webhook %s is refused', async (webhook, expected) => {
  const lines = await refusal(top('webhooks:', `  - ${webhook}`), { EMPTY: '', FORMAT: 'json' });
  expect(lines).toEqual([expect.stringMatching(`^turnout.yaml:${expected}`)]);
});

test('webhooks that are no list are refused', async () => {
  expect(await refusal(top('webhooks: http://h/'))).toEqual([
    'turnout.yaml:1:11: found "http://h/", expected a list of maps with the key url',
  ]);
});

test('what is wrong with a webhook is told together with what is wrong elsewhere', async () => {
  expect(await refusal(top('webhooks: [{ url: nowhere, format: xml }]', 'ports: 1-2'))).toHaveLength(3);
});
