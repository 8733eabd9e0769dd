import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelList } from '#inhouse/cli/models-list.js';
import { HubServer } from '../support/hub-server.js';
import { cliSandbox } from './cli-process.js';

const { run, folder } = cliSandbox();
const COMMIT = 'c0ffee'.padEnd(40, '0');
const FILES = {
  'config.json': Buffer.from('{"model_type":"gpt2"}'),
  'tokenizer.json': Buffer.from('{}'),
  'model.safetensors': Buffer.alloc(3000, 7),
};
const CACHE = join(folder, 'hf', 'hub');

/** What an earlier download leaves, with copies where links were refused. */
function cacheModel(hubId: string): string {
  const repository = join(CACHE, `models--${hubId.replace('/', '--')}`);
  const snapshot = join(repository, 'snapshots', COMMIT);
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(snapshot, name), content);
  }
  mkdirSync(join(repository, 'refs'));
  writeFileSync(join(repository, 'refs', 'main'), COMMIT);
  return snapshot;
}

describe('of a model that is cached', () => {
  let snapshot: string;
  beforeAll(() => {
    snapshot = cacheModel('openai-community/gpt2');
  });

  it('path prints its folder, by any of its names', async () => {
    expect(await run(['models', 'path', 'gpt2-small'])).toEqual({
      code: 0,
      stdout: `${snapshot}\n`,
      stderr: '',
    });
  });

  it('path says of another revision that it is not there, and downloads nothing', async () => {
    const { code, stdout, stderr } = await run(['models', 'path', 'gpt2', '--revision', 'v2']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/gpt2 \(revision v2\) is not on this machine.*inhouse models pull gpt2/);
  });

  it('list tells it from the others', async () => {
    const { code, stdout } = await run(['models', 'list', '--json']);
    expect(code).toBe(0);
    const { cacheFolder, models } = JSON.parse(stdout) as ModelList;
    expect(cacheFolder).toBe(CACHE);
    const byId = new Map(models.map((model) => [model.id, model]));
    expect([...byId.keys()]).toEqual([
      'embedded',
      'distilgpt2',
      'gpt2',
      'gpt2-medium',
      'gpt2-large',
      'gpt2-xl',
    ]);
    expect(byId.get('embedded')).toMatchObject({ contextLength: 1024, snapshots: [{ complete: true }] });
    expect(byId.get('gpt2-xl')).toMatchObject({ hubId: 'openai-community/gpt2-xl', snapshots: [] });
    expect(byId.get('gpt2')?.snapshots).toEqual([
      { path: snapshot, commit: COMMIT, revisions: ['main'], sizeBytes: 3023, complete: true, built: [] },
    ]);
    const told = await run(['models', 'list']);
    expect(told.stdout).toMatch(/^gpt2 +124 M +1024 +MIT +3\.0 kB \(main\)$/m);
    expect(told.stdout).toMatch(/^gpt2-xl .* no$/m);
  });

  it('rm removes nothing unasked, and everything with --yes', async () => {
    const unasked = await run(['models', 'rm', 'gpt2'], 'y\n');
    expect(unasked).toMatchObject({ code: 2, stdout: '' });
    expect(unasked.stderr).toContain('--yes');
    expect(existsSync(snapshot)).toBe(true);

    const asked = await run(['models', 'rm', 'gpt2', '--yes']);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout).toContain('3.1 kB are free again'); // with the 40 bytes of refs/main
    expect(existsSync(dirname(dirname(snapshot)))).toBe(false);

    const again = await run(['models', 'rm', 'gpt2', '--yes']);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('not on this machine');
  });
});

describe('precisions', () => {
  const listBuilt = async () => {
    const { stdout } = await run(['models', 'list', '--json']);
    const { models } = JSON.parse(stdout) as ModelList;
    return models.find(({ id }) => id === 'embedded')!.snapshots[0]!.built;
  };

  it('quantize writes them ahead, list shows them, clean removes them', async () => {
    const args = ['models', 'quantize', 'embedded', '--precision'];
    const { code, stdout, stderr } = await run([...args, 'int4,int4+lm_head:int8']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^int4 {2}\d\.\d MB {2}\S+\nint4\+lm_head:int8 {2}\d\.\d MB {2}\S+\n$/);
    expect(stderr).toMatch(/100 % {2}writing weights/);
    expect(await run([...args, 'int4'])).toMatchObject({ code: 0, stderr: '' });

    const built = await listBuilt();
    expect(built.map(({ precision, current }) => [precision, current])).toEqual([
      ['int4', true],
      ['int4+lm_head:int8', true],
    ]);
    for (const { sizeBytes, runtimeVersion } of built) {
      expect(sizeBytes).toBeGreaterThan(5e6);
      expect(runtimeVersion).toMatch(/^\d+\.\d+\.\d+$/);
    }
    const { stdout: told } = await run(['models', 'list']);
    expect(told).toMatch(/^embedded +int4 +\d\.\d MB +ONNX Runtime \d\S+, graph \d+$/m);

    const cleaned = await run(['models', 'clean', 'embedded', '--precision', 'int4']);
    expect(cleaned).toMatchObject({ code: 0, stderr: '' });
    expect(cleaned.stdout).toMatch(/^Removed int4 of embedded; \d\.\d MB are free again\.\n$/);
    expect((await listBuilt()).map(({ precision }) => precision)).toEqual(['int4+lm_head:int8']);
    await run(['models', 'clean', 'embedded']);
    expect(await listBuilt()).toEqual([]);
  });

  it.each([
    { args: ['--precision', 'int3'], names: /--precision is "int3".*'int8-channel'/ },
    { args: ['--precision', 'int4,int4+h.9.*:int8'], names: /"h\.9\.\*" matches no matrix/ },
    { args: [], names: /--precision/ },
  ])('quantize refuses wrong usage with code 2: $args', async ({ args, names }) => {
    const { code, stdout, stderr } = await run(['models', 'quantize', 'embedded', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(names);
    expect(await listBuilt()).toEqual([]);
  });

  it('generate takes one', async () => {
    const args = [
      'generate',
      'Once upon a time',
      '--max-tokens',
      '3',
      '--temperature',
      '0',
      '--precision',
      'int8',
    ];
    const { code, stdout } = await run(args);
    expect(code).toBe(0);
    expect(stdout.trim()).not.toBe('');
    expect((await listBuilt()).map(({ precision }) => precision)).toEqual(['int8']);
  });
});

describe('pull', () => {
  let server: HubServer;
  beforeAll(async () => {
    server = await HubServer.start();
    server.repositories.set('distilbert/distilgpt2', { commit: COMMIT, files: FILES });
  });
  afterAll(() => server.close());

  it('downloads a model, telling how far it is on standard error and the folder on standard output', async () => {
    const { code, stdout, stderr } = await run(['models', 'pull', 'distilgpt2'], '', {
      HF_ENDPOINT: server.endpoint,
    });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${join(CACHE, 'models--distilbert--distilgpt2', 'snapshots', COMMIT)}\n`,
    });
    expect(readFileSync(join(stdout.trimEnd(), 'model.safetensors'))).toEqual(FILES['model.safetensors']);
    expect(stderr).toMatch(/100 % {2}model\.safetensors \(3 of 3\) {2}3\.0 kB of 3\.0 kB\n$/);
  });
});
