import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { parseReference, sameRepository } from '../../sidecar/runtime/docker/image-reference.ts';
import { credentialsFor } from '../../sidecar/runtime/docker/registry-auth.ts';
import { temporaryFolder } from '../support/processes.ts';

const HUB = 'https://index.docker.io/v1/';

test.each([
  ['nginx', 'docker.io', 'nginx', 'latest', null],
  ['nginx:1.30', 'docker.io', 'nginx', '1.30', null],
  ['team/app:v1', 'docker.io', 'team/app', 'v1', null],
  ['localhost/app', 'localhost', 'localhost/app', 'latest', null],
  ['registry.example:5000/team/app', 'registry.example:5000', 'registry.example:5000/team/app', 'latest', null],
  ['127.0.0.1:5000/app:v1@sha256:ab', '127.0.0.1:5000', '127.0.0.1:5000/app', null, 'sha256:ab'],
])('%s is read as Docker reads it', (text, registry, name, tag, digest) => {
  expect(parseReference(text)).toEqual({ registry, name, tag, digest });
});

test('names with and without what Docker leaves out mean the same repository', () => {
  expect(sameRepository('nginx', 'docker.io/library/nginx')).toBe(true);
  expect(sameRepository('team/app', 'docker.io/team/app')).toBe(true);
  expect(sameRepository('registry.example/nginx', 'nginx')).toBe(false);
});

describe('credentials', () => {
  let folder: string;
  let path: string | undefined;

  beforeAll(async () => {
    folder = await temporaryFolder();
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  beforeEach(() => {
    path = process.env.PATH;
  });

  afterEach(() => {
    process.env.PATH = path;
  });

  async function file(name: string, content: unknown): Promise<string> {
    const at = join(folder, name);
    await writeFile(at, typeof content === 'string' ? content : JSON.stringify(content));
    return at;
  }

  async function helper(name: string, script: string): Promise<void> {
    const at = await file(`docker-credential-${name}`, `#!/bin/sh\n${script}\n`);
    await chmod(at, 0o755);
    process.env.PATH = `${folder}:${path}`;
  }

  test('are none where none are configured', async () => {
    expect(await credentialsFor('registry.example', null)).toBeUndefined();
    expect(await credentialsFor('registry.example', { registries: {} })).toBeUndefined();
    expect(await credentialsFor('registry.example', { file: await file('empty.json', {}) })).toBeUndefined();
  });

  test('of turnout.yaml come with the password of their file, read each time, without the newline at its end', async () => {
    const passwordFile = await file('password', 'one \n');
    const auth = {
      registries: { 'registry.example:5000': { username: 'ci', passwordFile }, 'docker.io': { username: 'hub', passwordFile } },
    };
    const serveraddress = 'registry.example:5000';
    expect(await credentialsFor(serveraddress, auth)).toEqual({ username: 'ci', password: 'one ', serveraddress });
    await file('password', 'two\r\n');
    expect(await credentialsFor(serveraddress, auth)).toEqual({ username: 'ci', password: 'two', serveraddress });
    expect(await credentialsFor('docker.io', auth)).toEqual({ username: 'hub', password: 'two', serveraddress: HUB });
    expect(await credentialsFor('registry.example', auth)).toBeUndefined();
    await rm(passwordFile);
    await expect(credentialsFor(serveraddress, auth)).rejects.toMatchObject({
      code: 'image-unavailable',
      message: `${passwordFile}, which tells the password for ${serveraddress}, cannot be read (ENOENT)`,
    });
  });

  test("of a Docker client's file are found for its registry, Docker Hub under the name that Docker gives it", async () => {
    const auth = (words: string) => ({ auth: Buffer.from(words).toString('base64') });
    const config = {
      auths: {
        [HUB]: auth('hub:with:colon'),
        'registry.example': auth('ci:secret'),
        'https://other.example/v2/': auth('other:secret'),
        'token.example': { identitytoken: 'token' },
        'helped.example': {},
      },
    };
    const at = { file: await file('config.json', config) };
    expect(await credentialsFor('docker.io', at)).toEqual({ username: 'hub', password: 'with:colon', serveraddress: HUB });
    expect(await credentialsFor('registry.example', at)).toMatchObject({ username: 'ci', password: 'secret' });
    expect(await credentialsFor('other.example', at)).toMatchObject({ username: 'other' });
    expect(await credentialsFor('token.example', at)).toEqual({ identitytoken: 'token', serveraddress: 'token.example' });
    expect(await credentialsFor('helped.example', at)).toBeUndefined();
    expect(await credentialsFor('none.example', at)).toBeUndefined();
  });

  test("of a Docker client's helper are asked for, that of the registry before that of all", async () => {
    await helper('one', `read server; echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"of $server\\"}"`);
    await helper('all', `read server; echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"of $server\\"}"`);
    const at = { file: await file('helped.json', { credHelpers: { 'registry.example': 'one' }, credsStore: 'all' }) };
    const serveraddress = 'registry.example';
    expect(await credentialsFor(serveraddress, at)).toEqual({ username: 'one', password: 'of registry.example', serveraddress });
    expect(await credentialsFor('docker.io', at)).toEqual({ identitytoken: `of ${HUB}`, serveraddress: HUB });
  });

  test('that a helper does not have are none; one that fails or is missing is named, and its words are not told', async () => {
    await helper('empty', 'echo "credentials not found in native keychain"; exit 1');
    await helper('broken', 'echo "the-secret-itself"; exit 1');
    const using = async (credsStore: string) =>
      credentialsFor('registry.example', { file: await file(`${credsStore}.json`, { credsStore }) });
    expect(await using('empty')).toBeUndefined();
    await expect(using('broken')).rejects.toMatchObject({
      code: 'image-unavailable',
      message: 'docker-credential-broken has no credentials for registry.example to give (exit 1)',
    });
    await expect(using('missing')).rejects.toThrow(
      'docker-credential-missing, which keeps the credentials for registry.example, cannot be run (ENOENT)',
    );
  });

  test('of a file that is missing or no JSON are an error that names it, and tells nothing of it', async () => {
    await expect(credentialsFor('x.example', { file: '/nowhere.json' })).rejects.toThrow(
      '/nowhere.json, which tells who we are to registries',
    );
    const at = await file('torn.json', '{"auths": secret');
    const error = await credentialsFor('x.example', { file: at }).catch((one: Error) => one);
    expect(String(error)).toContain(`${at}, which \`docker.registryAuth\` names, is no JSON object`);
    expect(String(error)).not.toContain('secret');
  });
});
